"""Losses of targets that not every sample has a label for."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import serializable


@serializable
class KnownBinaryCrossentropy(keras.losses.Loss):
    """Binary cross-entropy over the labels that are known.

    A label of NaN is not known and counts for nothing. The loss of a sample
    is the mean over its known labels.

    Example:

    ```python
    loss = keras_reprogram.losses.KnownBinaryCrossentropy()
    loss(np.array([[1.0, np.nan]]), np.array([[0.0, 5.0]]))  # log(2)
    ```

    Args:
        positive_weight: Weight of a label of 1, against the 1 of a 0: above 1
            for rare positives; one number, or one for each target.
        **kwargs: Keyword arguments of `keras.losses.Loss`.
    """

    def __init__(self, positive_weight: Any = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.positive_weight = positive_weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = ops.cast(y_true, y_pred.dtype)
        known = ops.cast(ops.logical_not(ops.isnan(y_true)), y_pred.dtype)
        labels = ops.where(ops.isnan(y_true), ops.zeros_like(y_true), y_true)
        weights = ops.convert_to_tensor(self.positive_weight, y_pred.dtype)
        weights = ops.where(labels > 0.5, weights, ops.ones_like(labels))
        # log(1 + exp(-z)) for a label of 1, log(1 + exp(z)) for one of 0.
        losses = ops.softplus(ops.multiply(y_pred, 1.0 - 2.0 * labels))
        total = ops.sum(losses * weights * known, axis=-1)
        return total / ops.maximum(ops.sum(known, axis=-1), 1.0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "positive_weight": self.positive_weight}
