"""Random directions in which a program is tried."""

from typing import Any

import keras
from keras import ops


def unit_sphere(count: int, dimension: int, seed: Any) -> Any:
    """Independent directions, uniform on the unit sphere.

    Args:
        count: Number of directions.
        dimension: Number of values of a direction.
        seed: A `keras.random.SeedGenerator`.

    Returns:
        A tensor `[count, dimension]` whose rows are of length 1.
    """
    draws = keras.random.normal((count, dimension), seed=seed)
    norms = ops.sqrt(ops.sum(ops.square(draws), axis=1, keepdims=True))
    return draws / norms


def orthonormal(count: int, dimension: int, seed: Any) -> Any:
    """Directions of length 1 at right angles to one another.

    Each of them is uniform on the sphere; together they look in `count`
    different directions and so tell more than independent ones.

    Args:
        count: Number of directions, at most `dimension`.
        dimension: Number of values of a direction.
        seed: A `keras.random.SeedGenerator`.

    Returns:
        A tensor `[count, dimension]` with orthonormal rows.
    """
    if count > dimension:
        raise ValueError(
            "There are no more directions at right angles than values of a "
            f"program. Received: {count} directions, {dimension} values"
        )
    draws = keras.random.normal((dimension, count), seed=seed)
    columns, triangle = ops.qr(draws)
    # The sign that makes the columns uniform, and alike on every backend.
    signs = ops.sign(ops.diagonal(triangle))
    return ops.transpose(columns * signs)


def signs_of_uniform(count: int, dimension: int, seed: Any) -> Any:
    """Values of random sign, uniform in size from 0.5 to 1 (BlackVIP).

    Args:
        count: Number of directions.
        dimension: Number of values of a direction.
        seed: A `keras.random.SeedGenerator`.

    Returns:
        A tensor `[count, dimension]` of values in `[-1, -0.5]` or `[0.5, 1]`.
    """
    draws = keras.random.uniform((count, dimension), -1.0, 1.0, seed=seed)
    return ops.where(draws < 0, draws - 1.0, draws + 1.0) / 2.0
