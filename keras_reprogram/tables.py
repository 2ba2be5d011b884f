"""Rows of tables, one for each sample of a batch."""

import math
from typing import Any

from keras import ops


def rows_of(table: Any, indices: Any, dtype: str | None = None) -> Any:
    """Looks rows up in a table of any rank, by integers `(batch,)`."""
    size, *shape = table.shape
    # As a matrix: what PyTorch looks up in one can be exported.
    flat = ops.reshape(table, (size, math.prod(shape)))
    rows = ops.reshape(ops.take(flat, indices, axis=0), (-1, *shape))
    return rows if dtype is None else ops.cast(rows, dtype)
