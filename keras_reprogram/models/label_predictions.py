"""Predictions as names of classes with their probabilities."""

from typing import NamedTuple

import numpy as np
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.outputs.targets import BinaryTargets
from keras_reprogram.outputs.targets import ClassTargets
from keras_reprogram.typing import Data


class LabelPrediction(NamedTuple):
    """A class that a model predicts for a sample.

    Attributes:
        name: String. The name of the class, or its label as a string if
            classes have no names.
        probability: Float.
    """

    name: str
    probability: float


def named_by_data(mapping: OutputMapping, *data_sets: Data) -> None:
    """Gives classes the names that data sets have for them.

    Keras's data sets of folders of images, sounds or texts have an attribute
    `class_names`, as long as nothing is mapped or batched after them.

    Args:
        mapping: An `OutputMapping`.
        *data_sets: Data of any kind.

    Raises:
        ValueError: If classes have other names, or those of another order.
    """
    for data in data_sets:
        names = getattr(data, "class_names", None)
        if not isinstance(names, (list, tuple)):
            continue
        if mapping.class_names or len(names) == mapping.targets.num_names:
            mapping.name_classes(names)


def named_predictions(
    predictions: np.ndarray, mapping: OutputMapping, top: int
) -> list[list[LabelPrediction]]:
    """Returns the most probable classes of each sample.

    Args:
        predictions: Array `(samples, T)`, as `mapping` returns it.
        mapping: An `OutputMapping` to classes.
        top: Integer. Number of classes of a sample, `T` at most.

    Raises:
        ValueError: If predictions are not one vector of classes for each
            sample.
    """
    top = positive_integer("top", top)
    targets = mapping.targets
    if (
        not isinstance(targets, (ClassTargets, BinaryTargets))
        or predictions.ndim != 2
    ):
        raise ValueError(
            "Names are those of the classes of whole samples: use `predict` "
            "for numbers, or for classes of positions. Received: predictions "
            f"of shape {predictions.shape}"
        )
    names = mapping.class_names or list(map(str, range(targets.num_classes)))
    found = probabilities_of(predictions, mapping)
    order = np.argsort(-found, axis=1, kind="stable")[:, :top]
    return [
        [LabelPrediction(names[label], float(row[label])) for label in labels]
        for row, labels in zip(found, order)
    ]


def probabilities_of(
    predictions: np.ndarray, mapping: OutputMapping
) -> np.ndarray:
    """Returns predictions as probabilities, of independent targets if such."""
    values = predictions.astype("float32")
    independent = isinstance(mapping.targets, BinaryTargets)
    if mapping.returns_logits:
        activation = ops.sigmoid if independent else ops.softmax
        values = ops.convert_to_numpy(activation(values))
    elif not independent:
        # Sums of the probabilities of some of the source's classes.
        values = values / values.sum(axis=-1, keepdims=True)
    return values
