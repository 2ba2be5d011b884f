"""The loss of binary targets with missing labels."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import serializable
from keras_reprogram.typing import Tensor

MAX_LOGIT = 1e9
MIN_PROBABILITY = 1e-7


@serializable
class MaskedBinaryCrossentropy(keras.losses.Loss):
    """Binary cross-entropy over known labels.

    A label of NaN is unknown and is ignored. The loss of a sample is the mean
    over its known labels. A label between 0 and 1 is a probability; a label
    outside this range makes the loss NaN.

    Example:

    ```python
    loss = keras_reprogram.losses.MaskedBinaryCrossentropy()
    loss(np.array([[1.0, np.nan]]), np.array([[0.0, 5.0]]))  # log(2)

    loss = keras_reprogram.losses.MaskedBinaryCrossentropy(from_logits=False)
    loss(np.array([[1.0, np.nan]]), np.array([[0.5, 0.9]]))  # log(2)
    ```

    Args:
        positive_weight: Float, or a list of floats, one for each target.
            Weight of positive labels relative to negative ones, above 1 for
            rare positives. Defaults to `1.0`.
        from_logits: Boolean. Whether predictions are logits instead of
            probabilities, the model's `label_mapper.from_logits`.
            Defaults to `True`.
        **kwargs: Keyword arguments of `keras.losses.Loss`.

    Raises:
        ValueError: If `positive_weight` is not positive and finite, or labels
            and predictions have different shapes.
    """

    def __init__(
        self,
        positive_weight: float | Sequence[float] = 1.0,
        from_logits: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.positive_weight = positive_numbers(
            "positive_weight", positive_weight
        )
        self.from_logits = boolean("from_logits", from_logits)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        # In lower precision than float32, 1 - 1e-7 rounds to 1.
        y_pred = ops.cast(y_pred, "float32")
        labels, known = labels_of_shape(y_true, y_pred)
        weights = ops.convert_to_tensor(self.positive_weight, "float32")
        if len(weights.shape) and weights.shape[0] != y_pred.shape[-1]:
            raise ValueError(
                "`positive_weight` must be one number, or one for each "
                f"target. Received: {weights.shape[0]} numbers for "
                f"predictions of shape {tuple(y_pred.shape)}"
            )
        # A prediction for an unknown label may be infinite or NaN.
        y_pred = ops.where(known, y_pred, ops.zeros_like(y_pred))
        positive, negative = self._positive_and_negative_losses(y_pred)
        losses = weights * labels * positive + (1.0 - labels) * negative
        known = ops.cast(known, "float32")
        total = ops.sum(losses * known, axis=-1)
        return total / ops.maximum(ops.sum(known, axis=-1), 1.0)

    def _positive_and_negative_losses(
        self, y_pred: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns the losses of predictions for labels of 1 and of 0."""
        if self.from_logits:
            logits = ops.clip(y_pred, -MAX_LOGIT, MAX_LOGIT)
            return ops.softplus(-logits), ops.softplus(logits)
        probabilities = ops.clip(y_pred, MIN_PROBABILITY, 1.0 - MIN_PROBABILITY)
        return -ops.log(probabilities), -ops.log(1.0 - probabilities)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "positive_weight": self.positive_weight,
            "from_logits": self.from_logits,
        }


def labels_of_shape(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Returns labels in the shape of predictions, and which are known.

    Args:
        y_true: Tensor. Labels from 0 to 1, NaN for unknown ones.
        y_pred: Tensor. Predictions of the same shape, or with one more axis
            of size 1.

    Returns:
        Labels as float32, 0 where not known and NaN where they are no labels,
        and a mask.
    """
    labels = ops.cast(y_true, "float32")
    if len(labels.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
        labels = ops.expand_dims(labels, -1)
    pairs = list(zip(labels.shape, y_pred.shape))
    if len(labels.shape) != len(y_pred.shape) or any(
        None not in pair and pair[0] != pair[1] for pair in pairs
    ):
        raise ValueError(
            "Labels and predictions must have the same shape, with one label "
            f"for each target. Received: labels of shape {tuple(y_true.shape)} "
            f"and predictions of shape {tuple(y_pred.shape)}"
        )
    known = ops.logical_not(ops.isnan(labels))
    labels = ops.where(known, labels, ops.zeros_like(labels))
    valid = ops.logical_and(labels >= 0.0, labels <= 1.0)
    return ops.where(valid, labels, ops.full_like(labels, math.nan)), known


def positive_numbers(name: str, value: object) -> float | list[float]:
    """Checks one positive number, or a list, and returns it as floats."""
    items = np.asarray(value).tolist()
    valid = all(map(is_positive, items if isinstance(items, list) else [items]))
    if not valid or items == []:
        raise ValueError(
            f"`{name}` must be a positive finite number, or one for each "
            f"target. Received: {name}={value!r}"
        )
    if isinstance(items, list):
        return [float(item) for item in items]
    return float(items)


def is_positive(value: object) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value > 0
    )
