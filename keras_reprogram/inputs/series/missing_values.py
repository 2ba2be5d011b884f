"""Series with missing values, which are NaN: masks, and what fills them."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_reprogram.dtypes import is_float
from keras_reprogram.typing import Tensor

INTERPOLATE, MASK, ZERO = "interpolate", "mask", "zero"
# Of series. On a canvas, zero is silence.
MISSING_VALUES = (INTERPOLATE, MASK)
MISSING_ON_CANVAS = (INTERPOLATE, MASK, ZERO)


def check_missing_values(
    missing_values: object, choices: tuple[str, ...] = MISSING_VALUES
) -> str | None:
    """Returns an argument `missing_values` if it is one of the choices."""
    if missing_values is None:
        return None
    if not isinstance(missing_values, str) or missing_values not in choices:
        raise ValueError(
            "`missing_values` must be `None`, if samples have no NaN, or one "
            f"of {choices}. Received: missing_values={missing_values!r}"
        )
    return missing_values


def known_values(samples: Tensor) -> Tensor:
    """Returns which values of samples are not NaN."""
    if not is_float(samples):
        return ops.ones_like(samples, dtype="bool")
    return ops.logical_not(ops.isnan(samples))


def interpolated(series: Tensor, known: Tensor) -> Tensor:
    """Replaces missing values by those on the line between their neighbors.

    ```
    x[t] = x[a] + (t - a) / (b - a) * (x[b] - x[a])
    ```

    with the known steps `a` before `t` and `b` after it. Before the first known
    step and after the last one it is their value. A series without any value
    is 0. Missing values have a gradient of 0, whatever they are.

    Args:
        series: Floating point tensor `(batch, length)`.
        known: Boolean tensor `(batch, length)`.

    Returns:
        A tensor `(batch, length)` of finite values if the known ones are.
    """
    length = series.shape[1]
    steps = ops.arange(length, dtype="int32")
    order = ops.argsort(ops.where(known, steps, steps + length), axis=1)
    order = ops.cast(order, "int32")
    is_known = ops.cast(known, "int32")
    count = ops.cumsum(is_known, axis=1)
    # Before the first known step the neighbor on both sides is the first, and
    # after the last one the last.
    before = ops.maximum(count - 1, 0)
    after = ops.maximum(ops.minimum(count - is_known, count[:, -1:] - 1), 0)
    left = ops.take_along_axis(order, before, axis=1)
    right = ops.take_along_axis(order, after, axis=1)
    values = ops.where(known, series, ops.zeros_like(series))
    start = ops.take_along_axis(values, left, axis=1)
    end = ops.take_along_axis(values, right, axis=1)
    part = ops.cast(steps - left, series.dtype) / ops.cast(
        ops.maximum(right - left, 1), series.dtype
    )
    return start + part * (end - start)


def within_known(known: Tensor) -> Tensor:
    """Returns which steps are between the first and the last known one.

    Args:
        known: Boolean tensor `(batch, length)`.
    """
    count = ops.cumsum(ops.cast(known, "int32"), axis=1)
    begun = count > 0
    return ops.logical_and(begun, ops.logical_or(known, count < count[:, -1:]))


def known_or_all(known: Tensor) -> Tensor:
    """Takes a series without any value for one that is known.

    It is 0 where it is standardized, and a source has no sequence of padding
    alone.

    Args:
        known: Boolean tensor `(batch, length)`.
    """
    none = ops.logical_not(ops.any(known, axis=1, keepdims=True))
    return ops.logical_or(known, none)


def check_known(samples: np.ndarray) -> None:
    """Raises a `ValueError` for a series without any value.

    Args:
        samples: Array `(batch, length, channels)`.
    """
    empty = np.isnan(samples).all(axis=1)
    if not empty.any():
        return
    sample, channel = np.argwhere(empty)[0]
    raise ValueError(
        "Every channel of every sample must have a value that is not NaN: "
        "leave out the sample or the channel, or fill it. Received: "
        f"{np.count_nonzero(empty)} channels of NaN alone, the first in sample "
        f"{sample}, channel {channel}"
    )


def padded_series(
    series: Sequence[np.ndarray], length: int | None = None, end: bool = True
) -> np.ndarray:
    """Returns series of different lengths as one array, padded with NaN.

    Pass it to a layer with an argument `missing_values`, such as
    `SeriesReprogrammer(target_shape, missing_values="mask")`.

    Example:

    ```python
    series = keras_reprogram.inputs.padded_series([[1.0, 2.0, 3.0], [4.0]])
    series  # [[1, 2, 3], [4, nan, nan]]
    ```

    Args:
        series: Sequence of arrays `(length,)` or `(length, channels)`. They may
            hold NaN themselves.
        length: Integer. Number of steps of the result. Defaults to `None`, for
            the length of the longest series.
        end: Boolean. Whether padding is at the end of a series or, for
            forecasts, where the last step is the latest one, at its start.
            Defaults to `True`.

    Returns:
        An array `(series, length)` or `(series, length, channels)`, of float32,
        or of float64 if one of the series is.

    Raises:
        ValueError: If there is no series, one of them has no steps, is longer
            than `length` or not of numbers, or they differ in their channels.
    """
    arrays = [np.asarray(each) for each in series]
    kinds = {each.dtype.kind for each in arrays}
    shapes = {each.shape[1:] for each in arrays}
    ranks = {each.ndim for each in arrays}
    if not arrays or not kinds <= set("biuf") or not ranks <= {1, 2}:
        raise ValueError(
            "`series` must be a list of one or more arrays of numbers, "
            "(length,) or (length, channels). Received: "
            f"{len(arrays)} of ranks {sorted(ranks)} and dtypes "
            f"{sorted({str(each.dtype) for each in arrays})}"
        )
    lengths = [len(each) for each in arrays]
    length = max(lengths) if length is None else length
    if len(shapes) > 1 or min(lengths) == 0 or max(lengths) > length:
        raise ValueError(
            "`series` must have equal channels, and from 1 to `length` steps. "
            f"Received: lengths from {min(lengths)} to {max(lengths)}, "
            f"length={length}, channels {sorted(shapes)}"
        )
    padded = np.full(
        (len(arrays), length, *shapes.pop()), np.nan, float_dtype(*arrays)
    )
    for row, each in zip(padded, arrays):
        row[slice(len(each)) if end else slice(length - len(each), None)] = each
    return padded


def with_known_future(past: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Returns the past of series beside covariates that are known ahead.

    Covariates such as the hour of the day, holidays or planned prices are
    known over the horizon of a forecast. They are the last channels of the
    result; the future of the other channels is NaN.

    Example:

    ```python
    past = np.random.rand(8, 96, 2)
    calendar = np.random.rand(8, 96 + 24, 1)
    x = keras_reprogram.inputs.with_known_future(past, calendar)
    x.shape  # (8, 120, 3)
    reprogrammer = keras_reprogram.inputs.SeriesReprogrammer(
        x.shape[1:], missing_values="mask"
    )
    head = keras_reprogram.outputs.ForecastHead(horizon=24, channels=[0, 1])
    ```

    Args:
        past: Array `(samples, length, channels)`.
        known: Array `(samples, length + horizon, covariates)`.

    Returns:
        An array `(samples, length + horizon, channels + covariates)`.

    Raises:
        ValueError: If the shapes do not match, or the covariates do not reach
            beyond the past.
    """
    past, known = np.asarray(past), np.asarray(known)
    if (
        past.ndim != 3
        or known.ndim != 3
        or len(past) != len(known)
        or known.shape[1] <= past.shape[1]
    ):
        raise ValueError(
            "`past` must be (samples, length, channels), and `known` (samples, "
            "length + horizon, covariates). Received: past of shape "
            f"{past.shape}, known of shape {known.shape}"
        )
    future = known.shape[1] - past.shape[1]
    dtype = float_dtype(past, known)
    padded = np.pad(
        past.astype(dtype),
        ((0, 0), (0, future), (0, 0)),
        constant_values=np.nan,
    )
    return np.concatenate([padded, known.astype(dtype)], axis=2)


def float_dtype(*arrays: np.ndarray) -> str:
    """Returns float64 if one of the arrays has it, otherwise float32."""
    is_double = any(array.dtype == "float64" for array in arrays)
    return "float64" if is_double else "float32"
