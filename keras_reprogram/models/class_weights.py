"""Class weights of `fit` and `adapt`, as weights of samples."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from keras_reprogram.models import batches
from keras_reprogram.models.compiled_loss import CompiledLoss
from keras_reprogram.outputs.label_weights import BALANCED
from keras_reprogram.outputs.label_weights import ClassWeight
from keras_reprogram.outputs.label_weights import ClassWeights
from keras_reprogram.outputs.targets import BinaryTargets
from keras_reprogram.outputs.targets import ClassTargets
from keras_reprogram.typing import Data
from keras_reprogram.typing import Tensor

if TYPE_CHECKING:
    from keras_reprogram.models.trainer import ReprogrammingTrainer


def resolved(
    model: "ReprogrammingTrainer",
    class_weight: dict[int, float] | str,
    x: Data,
    y: Data = None,
    sample_weight: Data = None,
    steps: int | None = None,
) -> ClassWeights:
    """Returns a weight for every class.

    Args:
        model: A `ReprogrammedModel`.
        class_weight: A dictionary from classes to weights, or `"balanced"`,
            which is counted over the data.
        x: Samples, or a data set.
        y: Labels, where `x` is an array.
        sample_weight: Weights, where `x` is an array.
        steps: Number of batches of a data set that are counted, or `None` for
            all.

    Raises:
        ValueError: If `class_weight` is not valid, or the data cannot be
            counted.
    """
    targets = model.label_mapper.targets
    if not isinstance(class_weight, str):
        return ClassWeights.given(class_weight, targets)
    if class_weight != BALANCED:
        raise ValueError(
            '`class_weight` must be a dictionary or "balanced". Received: '
            f"class_weight={class_weight!r}"
        )
    return ClassWeights.balanced(
        targets, labeled(model, x, y, sample_weight, steps)
    )


def labeled(
    model: "ReprogrammingTrainer",
    x: Data,
    y: Data,
    sample_weight: Data,
    steps: int | None,
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yields standardized labels and sample weights."""
    targets, form = model.label_mapper.targets, CompiledLoss.of(model).labels
    if batches.is_array(x) and y is not None:
        weights = sample_weight
        if weights is not None:
            weights = batches.to_numpy(batches.unwrap_single(weights))
        yield targets.standardized(batches.to_numpy(y), form), weights
        return
    if not batches.is_reiterable(x) or (
        steps is None and batches.number_of_batches(x, 1) is None
    ):
        raise ValueError(
            "Classes are counted in a pass of its own, over data of a known "
            "length that can be read twice: pass `class_weight` as a "
            "dictionary, from `numpy.bincount` of the labels. Received: "
            f'class_weight="balanced" with x={type(x).__name__}'
        )
    for _, labels, weights in batches.iterate(x, steps=steps):
        if labels is not None:
            yield targets.standardized(labels, form), weights


def check_trained(
    model: "ReprogrammingTrainer", class_weights: ClassWeights
) -> None:
    """Raises if a loss cannot weight classes, as that of binary targets."""
    if not isinstance(model.label_mapper.targets, BinaryTargets):
        return
    zeros, ones = class_weights.values
    ratios = [float(f"{ratio:.3g}") for ratio in ones / zeros]
    raise ValueError(
        "Losses weight samples, not each of their binary labels: leave out "
        "`class_weight` in training, compile with "
        f"`keras_reprogram.losses.MaskedBinaryCrossentropy(positive_weight="
        f"{ratios})`, and find the label map by "
        '`adapt(..., class_weight="balanced")` before. Received: '
        "`class_weight` with binary targets"
    )


def of_samples(
    model: "ReprogrammingTrainer",
    class_weights: ClassWeights,
    y: Data,
    sample_weight: Data = None,
) -> np.ndarray:
    """Returns products of class weights and sample weights.

    Args:
        model: A `ReprogrammedModel`.
        class_weights: The weights of classes.
        y: Labels of arrays or batches.
        sample_weight: Weights of the samples. Defaults to `None`, for 1.
    """
    form = CompiledLoss.of(model).labels
    labels = model.label_mapper.targets.standardized(batches.to_numpy(y), form)
    if sample_weight is not None:
        sample_weight = batches.to_numpy(sample_weight)
    found = class_weights.of_samples(labels, sample_weight)
    return found.astype("float32")


def for_fit(
    model: "ReprogrammingTrainer",
    class_weight: ClassWeight,
    x: Data,
    y: Data,
    sample_weight: Data,
    validation_split: float = 0.0,
    steps: int | None = None,
) -> tuple[Data, dict[int, float] | None, ClassWeights | None]:
    """Returns weights as training takes them.

    Args:
        model: A `ReprogrammedModel`.
        class_weight: A dictionary from classes to weights, or `"balanced"`.
        x: Samples, or a data set.
        y: Labels, where `x` is an array.
        sample_weight: Weights, where `x` is an array.
        validation_split: Share of an array's samples, its last ones, that are
            not trained on, and have no class weights. Defaults to `0.0`.
        steps: Number of batches of an epoch, or `None`. Defaults to `None`.

    Returns:
        Sample weights, which contain the class weights of arrays; class weights
        as Keras applies them to a data set; and the same ones, for adaptation.
    """
    if class_weight is None:
        return sample_weight, None, None
    if not batches.is_array(x):
        check_data_set(model, x)
        of_classes = resolved(model, class_weight, x, steps=steps)
        check_trained(model, of_classes)
        as_keras = dict(enumerate(map(float, of_classes.values)))
        return sample_weight, as_keras, of_classes
    if y is None:
        raise ValueError(
            "`class_weight` needs labels: pass `y`. Received: y=None"
        )
    count = int(len(x) * (1.0 - validation_split))
    given = batches.unwrap_single(sample_weight)
    trained = None if given is None else given[:count]
    of_classes = resolved(model, class_weight, x[:count], y[:count], trained)
    check_trained(model, of_classes)
    weights = of_samples(model, of_classes, y, given)
    plain = ClassWeights(np.ones_like(of_classes.values))
    weights[count:] = of_samples(model, plain, y, given)[count:]
    return weights, None, None


def check_data_set(model: "ReprogrammingTrainer", x: Data) -> None:
    """Raises if Keras does not apply class weights to a data set.

    It would read a label for each position as one-hot labels.
    """
    targets = model.label_mapper.targets
    has_positions = isinstance(targets, ClassTargets) and bool(
        targets.position_sizes
    )
    is_weighted = isinstance(x, keras.utils.PyDataset) or type(
        x
    ).__module__.startswith("tensorflow.")
    if has_positions or not is_weighted:
        raise ValueError(
            "Class weights are applied to arrays, and to a "
            "`keras.utils.PyDataset` or `tf.data.Dataset` with one label for "
            "each sample. Other data sets bring their weights themselves, as "
            "batches `(x, y, sample_weight)`. Received: `class_weight` with "
            f"x={type(x).__name__}"
        )


def of_positions(sample_weight: Tensor, y_pred: Tensor) -> Tensor:
    """Returns weights of samples as weights of all their positions.

    Keras would multiply losses `(batch, positions)` by `(batch,)`.

    Args:
        sample_weight: Tensor `(batch,)` or `(batch, ...)`, or `None`.
        y_pred: Tensor `(batch, ..., T)`. The predictions.
    """
    rows = ops.shape(y_pred)[:-1]
    if sample_weight is None or len(sample_weight.shape) >= len(rows):
        return sample_weight
    sample_weight = ops.convert_to_tensor(sample_weight)
    for _ in range(len(rows) - len(sample_weight.shape)):
        sample_weight = ops.expand_dims(sample_weight, -1)
    return ops.broadcast_to(sample_weight, rows)
