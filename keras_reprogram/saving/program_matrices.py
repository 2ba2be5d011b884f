"""Matrices of a configuration, kept as arrays beside it.

A matrix of a million numbers takes 20 MB as JSON, and is no matter of a
header, which is read before anything is known of it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

MARK = "__matrix__"
# What has fewer numbers stays where it is.
SMALLEST = 4096
# As Python's numbers, which configurations hold.
LARGEST = 2**22


def taken_out(config: Any, matrices: list[np.ndarray]) -> Any:
    """A config without its large matrices, which are put into a list."""
    if isinstance(config, dict):
        return {
            key: taken_out(value, matrices) for key, value in config.items()
        }
    if not isinstance(config, (list, tuple)):
        return config
    matrix = as_matrix(config)
    if matrix is None:
        return [taken_out(item, matrices) for item in config]
    matrices.append(matrix)
    return {"class_name": MARK, "config": {"index": len(matrices) - 1}}


def as_matrix(rows: Any) -> np.ndarray | None:
    """Rows of floats as an array, where they are many."""
    if not rows or not all(isinstance(row, (list, tuple)) for row in rows):
        return None
    if len(rows) * len(rows[0]) < SMALLEST or any(
        len(row) != len(rows[0]) for row in rows
    ):
        return None
    if not all(type(number) is float for row in rows for number in row):
        return None
    return np.array(rows, "float64")


def put_back(config: Any, matrices: Iterator[np.ndarray]) -> Any:
    """A config with its matrices, each of them once and in their order.

    Raises:
        ValueError: If there is a mark of another matrix.
    """
    count = 0

    def filled(value: Any) -> Any:
        nonlocal count
        if isinstance(value, list):
            return [filled(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("class_name") != MARK:
            return {key: filled(item) for key, item in value.items()}
        if value != {"class_name": MARK, "config": {"index": count}}:
            raise ValueError("the configuration has no such matrix")
        count += 1
        matrix = next(matrices, None)
        if matrix is None:
            raise ValueError(
                "the configuration has more matrices than the file"
            )
        return matrix.tolist()

    found = filled(config)
    if next(matrices, None) is not None:
        raise ValueError("the file has more matrices than it should")
    return found
