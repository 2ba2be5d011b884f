"""The linear mapping, which the loss trains."""

import dataclasses
from typing import Any

import keras
import numpy as np

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import number
from keras_reprogram.configurable import serializable
from keras_reprogram.outputs import logistic_regression as regression
from keras_reprogram.outputs.checks import check_samples
from keras_reprogram.outputs.cross_validation import Solution
from keras_reprogram.outputs.label_weights import with_weights
from keras_reprogram.outputs.mappings.mapping import Batches
from keras_reprogram.outputs.mappings.mapping import Mapping
from keras_reprogram.outputs.mappings.mapping import MapShape

LOGISTIC_REGRESSION = "logistic_regression"
CROSS_VALIDATION = "cross_validation"


@serializable
@dataclasses.dataclass(frozen=True)
class LinearMapping(Mapping):
    """A linear map with a bias, trained by the loss or fixed.

    ```
    outputs = source_logits @ matrix + bias
    ```

    The regression weights samples by sample and class weights. With
    `trainable=False` only the pattern is trained, which reduces
    overfitting on few samples.

    Args:
        initial: Initial map. `"logistic_regression"`, solved on the source's
            logits, or another mapping: its name, a matrix, groups, or a
            `Mapping`. Defaults to `"logistic_regression"`.
        regularization: Float greater than 0. L2 penalty of the logistic
            regression, in units of the mean variance of the source's outputs,
            so that it does not depend on their unit; or `"cross_validation"`,
            which selects one between 0.01 and 10 on held-out samples, useful
            for few samples: `label_mapper.cross_validation` holds the scores.
            With a strong penalty, more is left for the pattern
            to learn. Defaults to `0.1`.
        trainable: Boolean. Whether the loss trains the map. Defaults to `True`.

    References:
        - [AutoVP](https://arxiv.org/abs/2310.08381)
    """

    program_objects = {"initial": Mapping}
    program_strings = {
        "initial": (LOGISTIC_REGRESSION,),
        "regularization": (CROSS_VALIDATION,),
    }

    initial: Any = LOGISTIC_REGRESSION
    regularization: float | str = 0.1
    trainable: bool = True

    def __post_init__(self) -> None:
        from keras_reprogram.outputs.mappings import get

        if not self._is_regression:
            self.set_fields(initial=get(self.initial))
        if self.regularization != CROSS_VALIDATION:
            penalty = number("regularization", self.regularization, 1e-30)
            self.set_fields(regularization=penalty)
        self.set_fields(trainable=boolean("trainable", self.trainable))

    @property
    def has_bias(self) -> bool:
        return True

    @property
    def _is_regression(self) -> bool:
        """Whether training starts from a logistic regression."""
        return isinstance(self.initial, str) and (
            self.initial == LOGISTIC_REGRESSION
        )

    @property
    def needs_data(self) -> bool:
        return self._is_regression or self.initial.needs_data

    def check_shape(self, shape: MapShape) -> None:
        if not self._is_regression:
            self.initial.check_shape(shape)

    def solve(self, batches: Batches | None, shape: MapShape) -> Solution:
        if not self._is_regression:
            return Solution(*self.initial.solve(batches, shape))
        logits, labels, weights = samples_of(batches or (), shape.num_classes)
        chosen_by, penalty = None, self.regularization
        if isinstance(penalty, str):
            chosen_by = regression.cross_validated_regularization(
                logits, labels, shape.num_classes, sample_weight=weights
            )
            penalty = chosen_by.chosen
        matrix, bias = regression.logistic_regression(
            logits, labels, shape.num_classes, penalty, weights
        )
        return Solution(matrix, bias, chosen_by)

    def get_config(self) -> dict[str, Any]:
        initial = keras.saving.serialize_keras_object(self.initial)
        return {**super().get_config(), "initial": initial}


def samples_of(
    batches: Batches, num_classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Returns the logits, labels and weights of all batches as one array each.

    Weights are `None` if no batch has any.
    """
    logits, labels, weights = [], [], []
    for outputs, classes, given in with_weights(batches):
        outputs, classes = check_samples(outputs, classes, num_classes)
        logits.append(outputs)
        labels.append(classes)
        weights.append(given)
    if all(given is None for given in weights):
        return np.concatenate(logits), np.concatenate(labels), None
    axes = next(given.shape[1:] for given in weights if given is not None)
    filled = [
        np.ones((len(classes), *axes)) if given is None else given
        for classes, given in zip(labels, weights)
    ]
    return (
        np.concatenate(logits),
        np.concatenate(labels),
        np.concatenate(filled),
    )
