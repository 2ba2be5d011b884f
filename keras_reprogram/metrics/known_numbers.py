"""Metrics of numbers, of which some are missing, and of quantiles."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import integer
from keras_reprogram.configurable import serializable
from keras_reprogram.losses.known_targets import known_targets
from keras_reprogram.metrics.known_labels import weights_of_known
from keras_reprogram.typing import Tensor


class KnownError(keras.metrics.Mean):
    """Base class: the mean error over known targets.

    Args:
        quantile: Integer or `None`. Index of the prediction among quantiles.
        name: String. Name of the metric.
        dtype: Dtype of the metric's result.
    """

    def __init__(
        self,
        quantile: int | None = None,
        name: str = "known_error",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._direction = "down"
        self.quantile = check_index("quantile", quantile)

    def error(self, difference: Tensor) -> Tensor:
        """Returns the error of a difference of prediction and target."""
        raise NotImplementedError

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> None:
        y_pred = ops.cast(y_pred, "float32")
        if self.quantile is not None:
            y_pred = at_index("quantile", y_pred, self.quantile)
        targets, known = known_targets(y_true, y_pred.shape)
        difference = ops.where(known, y_pred - targets, ops.zeros_like(y_pred))
        weights = weights_of_known(known, sample_weight)
        super().update_state(
            ops.reshape(self.error(difference), [-1]),
            ops.reshape(weights, [-1]),
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "quantile": self.quantile}


@serializable
class KnownMeanSquaredError(KnownError):
    """Mean squared error over known targets.

    A target of NaN is missing and is left out. `"mse"` in `compile` would be
    NaN.

    Example:

    ```python
    metric = keras_reprogram.metrics.KnownMeanSquaredError()
    metric(np.array([[1.0, np.nan]]), np.array([[3.0, 5.0]]))  # 4.0
    ```

    Args:
        quantile: Integer. Index of the prediction to compare, where the last
            axis of predictions is one of quantiles. Defaults to `None`, for
            predictions without such an axis.
        name: String. Name of the metric. Defaults to
            `"known_mean_squared_error"`.
        dtype: Dtype of the metric's result. Defaults to `None`, that is
            `keras.backend.floatx()`.

    Call arguments:
        y_true: Tensor. Numbers, NaN for missing ones. A last axis of one
            target may be left out.
        y_pred: Tensor. Predictions of the same shape, or with an axis of
            quantiles.
        sample_weight: Tensor. One weight for each sample, or for each target.
            Defaults to `None`.

    Raises:
        ValueError: If `quantile` is not an integer, or the shapes differ.
    """

    def __init__(
        self,
        quantile: int | None = None,
        name: str = "known_mean_squared_error",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(quantile, name, dtype)

    def error(self, difference: Tensor) -> Tensor:
        return ops.square(difference)


@serializable
class KnownMeanAbsoluteError(KnownError):
    """Mean absolute error over known targets.

    A target of NaN is missing and is left out. `"mae"` in `compile` would be
    NaN.

    Example:

    ```python
    metric = keras_reprogram.metrics.KnownMeanAbsoluteError(quantile=1)
    metric(np.array([1.0, np.nan]), np.array([[0.0, 3.0], [1.0, 2.0]]))  # 2.0
    ```

    Args:
        quantile: Integer. As for `KnownMeanSquaredError`. Defaults to `None`.
        name: String. Name of the metric. Defaults to
            `"known_mean_absolute_error"`.
        dtype: Dtype of the metric's result. Defaults to `None`, that is
            `keras.backend.floatx()`.

    Call arguments:
        y_true: Tensor. As for `KnownMeanSquaredError`.
        y_pred: Tensor. As for `KnownMeanSquaredError`.
        sample_weight: Tensor. One weight for each sample, or for each target.
            Defaults to `None`.

    Raises:
        ValueError: If `quantile` is not an integer, or the shapes differ.
    """

    def __init__(
        self,
        quantile: int | None = None,
        name: str = "known_mean_absolute_error",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(quantile, name, dtype)

    def error(self, difference: Tensor) -> Tensor:
        return ops.abs(difference)


@serializable
class IntervalCoverage(keras.metrics.Mean):
    """Share of known targets within an interval of two predicted quantiles.

    ```
    coverage = mean(y_low <= y <= y_high)
    ```

    An interval between the quantiles 0.1 and 0.9 should have a coverage of 0.8.
    A target of NaN is missing and is left out.

    Example:

    ```python
    metric = keras_reprogram.metrics.IntervalCoverage()
    metric(np.array([1.0, 5.0]), np.array([[0.0, 3.0], [1.0, 2.0]]))  # 0.5
    ```

    Args:
        low: Integer. Index of the lower quantile on the last axis of
            predictions. Defaults to `0`.
        high: Integer. Index of the upper quantile. Defaults to `-1`.
        name: String. Name of the metric. Defaults to `"interval_coverage"`.
        dtype: Dtype of the metric's result. Defaults to `None`, that is
            `keras.backend.floatx()`.

    Call arguments:
        y_true: Tensor `(batch, ...)`. Numbers, NaN for missing ones.
        y_pred: Tensor `(batch, ..., quantiles)`. Predictions of NaN cover
            nothing.
        sample_weight: Tensor. One weight for each sample, or for each target.
            Defaults to `None`.

    Raises:
        ValueError: If `low` or `high` is not the index of a quantile, `low` is
            not the lower one, or the shapes do not match.
    """

    def __init__(
        self,
        low: int = 0,
        high: int = -1,
        name: str = "interval_coverage",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._direction = "up"
        first, second = check_index("low", low), check_index("high", high)
        if first is None or second is None or first == second:
            raise ValueError(
                "`low` and `high` must be the indices of two quantiles. "
                f"Received: low={low!r}, high={high!r}"
            )
        self.low, self.high = first, second

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> None:
        y_pred = ops.cast(y_pred, "float32")
        low = at_index("low", y_pred, self.low)
        high = at_index("high", y_pred, self.high)
        size = y_pred.shape[-1]
        if size is not None and self.low % size >= self.high % size:
            raise ValueError(
                "`low` must be the index of a lower quantile than `high`. "
                f"Received: low={self.low}, high={self.high}, predictions of "
                f"shape {tuple(y_pred.shape)}"
            )
        targets, known = known_targets(y_true, low.shape)
        covered = ops.logical_and(low <= targets, targets <= high)
        weights = weights_of_known(known, sample_weight)
        super().update_state(
            ops.reshape(ops.cast(covered, "float32"), [-1]),
            ops.reshape(weights, [-1]),
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "low": self.low, "high": self.high}


def check_index(name: str, index: object) -> int | None:
    """Returns an index among quantiles, or `None`, if it is valid."""
    if index is not None and integer(index) is None:
        raise ValueError(
            f"`{name}` must be an integer, the index of a quantile. Received: "
            f"{name}={index!r}"
        )
    return integer(index)


def at_index(name: str, y_pred: Tensor, index: int) -> Tensor:
    """Returns the predictions of one quantile, on the last axis.

    Raises:
        ValueError: If there is none, where JAX would return the last one.
    """
    size = y_pred.shape[-1]
    if size is not None and not -size <= index < size:
        raise ValueError(
            f"`{name}` must be the index of one of the {size} quantiles of "
            f"predictions. Received: {name}={index}, predictions of shape "
            f"{tuple(y_pred.shape)}"
        )
    return y_pred[..., index]
