"""What the two ends of a forecast must agree on: a series' own scale."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.typing import Tensor


def mean_and_deviation(samples: Tensor) -> tuple[Any, Any]:
    """Mean and standard deviation of every series, along time.

    Args:
        samples: Tensor `(batch, length, channels)`.

    Returns:
        Two tensors `(batch, 1, channels)`, of float32 at least; the deviation
        of a series that does not vary is 1.
    """
    _, mean, deviation = standardize(samples)
    return mean, deviation


def standardize(samples: Tensor) -> tuple[Any, Any, Any]:
    """Every series less its mean, divided by its standard deviation.

    Args:
        samples: As for `mean_and_deviation`.

    Returns:
        A tensor of the shape of `samples`, which is 0 where a series does not
        vary, and what `mean_and_deviation` returns.
    """
    samples = ops.convert_to_tensor(samples)
    dtype = keras.backend.result_type(samples.dtype, "float32")
    samples = ops.cast(samples, dtype)
    # From the first step, a series that does not vary is exactly 0, and the
    # mean takes no digits of the deviation. Of length 1, squares neither
    # underflow nor overflow. Neither choice has a gradient of its own.
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
