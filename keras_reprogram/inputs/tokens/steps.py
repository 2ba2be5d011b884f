"""Reordering of the steps in each row of a batch.

`sort` and `take_along_axis` are avoided: they cannot be exported from every
backend, and the latter copies its indices for every feature.
"""

from keras import ops

from keras_reprogram.typing import Tensor


def take_steps(values: Tensor, steps: Tensor) -> Tensor:
    """Returns steps of each row, `values[i, steps[i, j]]`.

    Args:
        values: Tensor `(batch, length, ...)`.
        steps: Integer tensor `(batch, any length)`.

    Returns:
        A tensor `(batch, any length, ...)`.
    """
    rows = ops.reshape(values, (-1, *values.shape[2:]))
    return ops.take(rows, numbered(steps, values), axis=0)


def put_steps(values: Tensor, steps: Tensor) -> Tensor:
    """Inverts `take_steps` for a permutation in each row.

    Args:
        values: Tensor `(batch, length)`.
        steps: Integer tensor of the same shape. New index of every value.
    """
    put = ops.scatter_update(
        ops.reshape(ops.zeros_like(values), (-1,)),
        ops.reshape(numbered(steps, values), (-1, 1)),
        ops.reshape(values, (-1,)),
    )
    return ops.reshape(put, ops.shape(values))


def numbered(steps: Tensor, values: Tensor) -> Tensor:
    """Returns indices of steps in the concatenation of all rows."""
    batch, length = ops.shape(values)[:2]
    return steps + length * ops.arange(batch, dtype="int32")[:, None]
