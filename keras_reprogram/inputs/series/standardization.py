"""Standardization of series, shared by both ends of a forecast."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.typing import Tensor


def mean_and_deviation(samples: Tensor) -> tuple[Any, Any]:
    """Returns the mean and standard deviation of every series over time.

    Args:
        samples: Tensor `(batch, length, channels)`.

    Returns:
        Two tensors `(batch, 1, channels)`, of float32 at least; the deviation
        of a constant series is 1.
    """
    _, mean, deviation = standardize(samples)
    return mean, deviation


def standardize(samples: Tensor) -> tuple[Any, Any, Any]:
    """Standardizes every series by its mean and standard deviation.

    Args:
        samples: As for `mean_and_deviation`.

    Returns:
        A tensor of the shape of `samples`, which is 0 for constant series, and
        the tensors of `mean_and_deviation`.
    """
    samples = ops.convert_to_tensor(samples)
    dtype = keras.backend.result_type(samples.dtype, "float32")
    samples = ops.cast(samples, dtype)
    # Subtracting the first step makes constant series exactly 0, and keeps the
    # precision of the deviation for a large mean. Dividing by the largest value
    # prevents squares from underflowing or overflowing. Both cancel out, so
    # they need no gradient.
    first = ops.stop_gradient(samples[:, :1])
    series = samples - first
    largest = ops.max(ops.abs(series), axis=1, keepdims=True)
    varies = largest > 0
    one = ops.ones_like(largest)
    unit = ops.stop_gradient(ops.where(varies, largest, one))
    series = series / unit
    mean = ops.mean(series, axis=1, keepdims=True)
    series = series - mean
    variance = ops.mean(ops.square(series), axis=1, keepdims=True)
    # The square root of a variance of 0 would have no gradient.
    deviation = ops.sqrt(ops.where(varies, variance, one))
    return series / deviation, first + unit * mean, unit * deviation
