"""Tables with a row for each program of a bank."""

import contextlib
import dataclasses
import math
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_reprogram.kept_state import to_the_end
from keras_reprogram.typing import Tensor


def gather_rows(
    table: Tensor, indices: Tensor, dtype: str | None = None
) -> Tensor:
    """Returns rows of a table of any rank.

    Args:
        table: Tensor or variable `(rows, ...)`.
        indices: Integer tensor `(batch,)`.
        dtype: String. The dtype of the result. Defaults to `None`, the
            table's own.

    Returns:
        A tensor `(batch, ...)`.
    """
    size, *shape = table.shape
    # As a matrix: PyTorch can export a lookup in two dimensions.
    flat = ops.reshape(table, (size, math.prod(shape)))
    rows = ops.reshape(ops.take(flat, indices, axis=0), (-1, *shape))
    return rows if dtype is None else ops.cast(rows, dtype)


@dataclasses.dataclass(frozen=True, eq=False)
class RowChange:
    """New values for some rows of a table.

    Args:
        table: `keras.Variable` `(rows, ...)`.
        rows: Sequence of integers. Indices of the rows, each of them once.
        values: Sequence of arrays, one for each row.
    """

    table: keras.Variable
    rows: Sequence[int]
    values: Sequence[np.ndarray]

    def write(self) -> None:
        """Assigns the table once, with the new rows in it."""
        if not self.rows:
            return
        table = np.array(ops.convert_to_numpy(self.table.value))
        for row, value in zip(self.rows, self.values):
            table[row] = value
        self.table.assign(table)

    def reverse(self) -> "RowChange":
        """Returns the change that brings back the rows as they are now."""
        rows = np.asarray(self.rows, "int32")
        if not rows.size:
            return self
        values = ops.convert_to_numpy(ops.take(self.table, rows, axis=0))
        return RowChange(self.table, self.rows, list(values))


@contextlib.contextmanager
def written_or_not(
    changes: Sequence[RowChange], undo: Callable[[], None]
) -> Iterator[None]:
    """Writes changes, and brings all back if that is interrupted.

    Args:
        changes: Sequence of `RowChange`s.
        undo: Function that brings back what the body of the `with` statement
            changes. It may be called more than once.
    """
    reversed_changes = [change.reverse() for change in changes]

    def bring_back() -> None:
        for change in reversed_changes:
            change.write()
        undo()

    try:
        for change in changes:
            change.write()
        yield
    except BaseException:
        to_the_end(bring_back)
        raise
