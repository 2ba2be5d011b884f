"""Steps of the rows of a batch, in another order.

Neither sorted nor taken along an axis: these cannot be exported from every
backend, and the latter copies its indices for every feature.
"""

from keras import ops

from keras_reprogram.typing import Tensor


def take_steps(values: Tensor, steps: Tensor) -> Tensor:
    """Steps of each row: `values[i, steps[i, j]]`.

    Args:
        values: Tensor `(batch, length, ...)`.
        steps: Integer tensor `(batch, any length)`.

    Returns:
        A tensor `(batch, any length, ...)`.
    """
    rows = ops.reshape(values, (-1, *values.shape[2:]))
    return ops.take(rows, numbered(steps, values), axis=0)


def put_steps(values: Tensor, steps: Tensor) -> Tensor:
    """The inverse of `take_steps`, for a permutation in each row.

    Args:
        values: Tensor `(batch, length)`.
        steps: Integer tensor of the same shape: where every value goes.
    """
    put = ops.scatter_update(
        ops.reshape(ops.zeros_like(values), (-1,)),
        ops.reshape(numbered(steps, values), (-1, 1)),
        ops.reshape(values, (-1,)),
    )
    return ops.reshape(put, ops.shape(values))


def numbered(steps: Tensor, values: Tensor) -> Tensor:
    """Numbers of steps among those of all rows, one behind the other."""
    batch, length = ops.shape(values)[:2]
    return steps + length * ops.arange(batch, dtype="int32")[:, None]
