"""Standardization of series, shared by both ends of a forecast."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.inputs.series.missing_values import known_values
from keras_reprogram.typing import Tensor


def mean_and_deviation(
    samples: Tensor, deviation_of_constant: Tensor = 1.0
) -> tuple[Any, Any]:
    """Returns the mean and standard deviation of every series over time.

    Args:
        samples: Tensor `(batch, length, channels)`. NaN is left out.
        deviation_of_constant: Number or tensor `(channels,)`. The deviation
            of a constant series. Defaults to `1.0`.

    Returns:
        Two tensors `(batch, 1, channels)`, of float32 at least.
    """
    _, mean, deviation = standardize(samples, deviation_of_constant)
    return mean, deviation


def standardize(
    samples: Tensor, deviation_of_constant: Tensor = 1.0
) -> tuple[Any, Any, Any]:
    """Standardizes every series by its mean and standard deviation.

    Args:
        samples: As for `mean_and_deviation`.
        deviation_of_constant: As for `mean_and_deviation`. Defaults to `1.0`.

    Returns:
        A tensor of the shape of `samples`, which is 0 for constant series and
        NaN where they are, and the tensors of `mean_and_deviation`.
    """
    samples = ops.convert_to_tensor(samples)
    dtype = keras.backend.result_type(samples.dtype, "float32")
    samples = ops.cast(samples, dtype)
    known = known_values(samples)
    is_known = ops.cast(known, dtype)
    count = ops.maximum(ops.sum(is_known, axis=1, keepdims=True), 1.0)
    values = ops.where(known, samples, ops.zeros_like(samples))
    # Subtracting the first value makes constant series exactly 0, and keeps the
    # precision of the deviation for a large mean. Dividing by the largest value
    # prevents squares from underflowing or overflowing. Both cancel out, so
    # they need no gradient.
    is_first = ops.logical_and(known, ops.cumsum(is_known, axis=1) < 1.5)
    first = ops.where(is_first, values, ops.zeros_like(values))
    first = ops.stop_gradient(ops.sum(first, axis=1, keepdims=True))
    series = is_known * (values - first)
    largest = ops.max(ops.abs(series), axis=1, keepdims=True)
    varies = largest > 0
    one = ops.ones_like(largest)
    unit = ops.stop_gradient(ops.where(varies, largest, one))
    series = series / unit
    mean = ops.sum(series, axis=1, keepdims=True) / count
    series = is_known * (series - mean)
    variance = ops.sum(ops.square(series), axis=1, keepdims=True) / count
    # The square root of a variance of 0 would have no gradient.
    deviation = ops.sqrt(ops.where(varies, variance, one))
    standardized = ops.where(known, series / deviation, samples)
    other = ops.cast(deviation_of_constant, dtype) * one
    deviation = ops.where(varies, unit * deviation, other)
    return standardized, first + unit * mean, deviation
