"""Losses of numbers, of which some are missing."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import serializable
from keras_reprogram.losses.known_targets import counted
from keras_reprogram.losses.known_targets import known_targets
from keras_reprogram.typing import Tensor


class MaskedError(keras.losses.Loss):
    """Base class: the mean error over known targets.

    Attributes:
        missing_values: String. `"mask"`: a target of NaN is left out.
    """

    missing_values = "mask"

    def error(self, difference: Tensor) -> Tensor:
        """Returns the error of a difference of prediction and target."""
        raise NotImplementedError

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y_pred = ops.cast(y_pred, "float32")
        y_true, known = known_targets(y_true, y_pred.shape)
        # A prediction for a missing target may be infinite or NaN.
        difference = ops.where(known, y_pred - y_true, ops.zeros_like(y_pred))
        return ops.mean(counted(self.error(difference), known), axis=-1)


@serializable
class MaskedMeanSquaredError(MaskedError):
    """Mean squared error over known targets.

    ```
    loss = sum_known (y_true - y_pred)^2 / number of known targets
    ```

    A target of NaN is missing and is left out. The mean is over the known
    targets of a batch; a batch without any has a loss of 0.

    Example:

    ```python
    loss = keras_reprogram.losses.MaskedMeanSquaredError()
    loss(np.array([[1.0, np.nan]]), np.array([[3.0, 5.0]]))  # 4.0
    ```

    Args:
        **kwargs: Keyword arguments of `keras.losses.Loss`.

    Call arguments:
        y_true: Tensor. Numbers, of the shape of `y_pred`, NaN for missing ones.
            A last axis of one target may be left out.
        y_pred: Tensor `(batch, ..., targets)`.

    Raises:
        ValueError: If targets and predictions have different shapes.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def error(self, difference: Tensor) -> Tensor:
        return ops.square(difference)


@serializable
class MaskedMeanAbsoluteError(MaskedError):
    """Mean absolute error over known targets.

    ```
    loss = sum_known |y_true - y_pred| / number of known targets
    ```

    A target of NaN is missing and is left out, as by
    `keras_reprogram.losses.MaskedMeanSquaredError`.

    Example:

    ```python
    loss = keras_reprogram.losses.MaskedMeanAbsoluteError()
    loss(np.array([[1.0, np.nan]]), np.array([[3.0, 5.0]]))  # 2.0
    ```

    Args:
        **kwargs: Keyword arguments of `keras.losses.Loss`.

    Call arguments:
        y_true: As for `MaskedMeanSquaredError`.
        y_pred: Tensor `(batch, ..., targets)`.

    Raises:
        ValueError: If targets and predictions have different shapes.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def error(self, difference: Tensor) -> Tensor:
        return ops.abs(difference)
