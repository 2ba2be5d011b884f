"""What the two ends of a forecast must agree on: a series' own scale."""

from typing import Any

from keras import ops


def mean_and_deviation(samples: Any) -> tuple[Any, Any]:
    """Mean and standard deviation of every series, along time.

    Args:
        samples: Tensor `(batch, length, channels)`.

    Returns:
        Two tensors `(batch, 1, channels)`; the deviation of a series that
        does not vary is 1.
    """
    mean = ops.mean(samples, axis=1, keepdims=True)
    deviation = ops.std(samples, axis=1, keepdims=True)
    return mean, ops.where(deviation > 0, deviation, ops.ones_like(deviation))
