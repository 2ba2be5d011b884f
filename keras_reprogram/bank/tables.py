"""Rows of tables, one for each sample of a batch."""

import contextlib
import math
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


def gather_rows(table: Any, indices: Any, dtype: str | None = None) -> Any:
    """Looks rows up in a table of any rank, by integers `(batch,)`."""
    size, *shape = table.shape
    # As a matrix: what PyTorch looks up in one can be exported.
    flat = ops.reshape(table, (size, math.prod(shape)))
    rows = ops.reshape(ops.take(flat, indices, axis=0), (-1, *shape))
    return rows if dtype is None else ops.cast(rows, dtype)


@contextlib.contextmanager
def updated_tables(
    variables: Sequence[keras.Variable],
) -> Iterator[list[np.ndarray]]:
    """The tables as arrays to write to; nothing is assigned on an error."""
    tables = [
        np.array(ops.convert_to_numpy(variable.value)) for variable in variables
    ]
    yield tables
    for variable, table in zip(variables, tables):
        variable.assign(table)
