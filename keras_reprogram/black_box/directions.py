"""Random directions in which a program is tried."""

from typing import Any

from keras import ops

from keras_reprogram.black_box import draws


def unit_sphere(count: int, dimension: int, seed: int, step: Any) -> Any:
    """Independent directions, uniform on the unit sphere.

    Args:
        count: Number of directions.
        dimension: Number of values of a direction.
        seed: Integer seed.
        step: Number of the step, an integer scalar.

    Returns:
        A tensor `[count, dimension]` whose rows are of length 1.
    """
    drawn = draws.normal((count, dimension), seed, step)
    norms = ops.sqrt(ops.sum(ops.square(drawn), axis=1, keepdims=True))
    return drawn / norms


def orthonormal(count: int, dimension: int, seed: int, step: Any) -> Any:
    """Directions of length 1 at right angles to one another.

    Each of them is uniform on the sphere; together they look in `count`
    different directions and so tell more than independent ones.

    Args:
        count: Number of directions, at most `dimension`.
        dimension: Number of values of a direction.
        seed: Integer seed.
        step: Number of the step, an integer scalar.

    Returns:
        A tensor `[count, dimension]` with orthonormal rows.
    """
    if count > dimension:
        raise ValueError(
            "There are no more directions at right angles than values of a "
            f"program. Received: {count} directions, {dimension} values"
        )
    drawn = draws.normal((dimension, count), seed, step)
    columns, triangle = ops.qr(drawn)
    # The sign that makes the columns uniform, and alike on every backend.
    signs = ops.sign(ops.diagonal(triangle))
    return ops.transpose(columns * signs)


def signs_of_uniform(count: int, dimension: int, seed: int, step: Any) -> Any:
    """Values of random sign, uniform in size from 0.5 to 1 (BlackVIP).

    Args:
        count: Number of directions.
        dimension: Number of values of a direction.
        seed: Integer seed.
        step: Number of the step, an integer scalar.

    Returns:
        A tensor `[count, dimension]` of values in `[-1, -0.5]` or `[0.5, 1]`.
    """
    drawn = draws.uniform((count, dimension), seed, step)
    return ops.where(drawn < 0.5, drawn - 1.0, drawn)
