"""Random directions in which a program is perturbed."""

from keras import ops

from keras_reprogram.black_box import random_numbers
from keras_reprogram.typing import Tensor


def unit_sphere(count: int, dimension: int, seed: int, step: Tensor) -> Tensor:
    """Independent directions, uniform on the unit sphere.

    Args:
        count: Integer. The number of directions.
        dimension: Integer. The number of values of a direction.
        seed: Integer. The random seed.
        step: Integer scalar tensor. The number of the step.

    Returns:
        A tensor `(count, dimension)` whose rows have length 1.
    """
    vectors = random_numbers.normal((count, dimension), seed, step)
    norms = ops.sqrt(ops.sum(ops.square(vectors), axis=1, keepdims=True))
    return vectors / norms


def orthonormal(count: int, dimension: int, seed: int, step: Tensor) -> Tensor:
    """Orthonormal directions, each uniform on the unit sphere.

    Independent directions may overlap; these span `count` dimensions and give
    more information.

    Args:
        count: Integer. The number of directions, at most `dimension`.
        dimension: Integer. The number of values of a direction.
        seed: Integer. The random seed.
        step: Integer scalar tensor. The number of the step.

    Returns:
        A tensor `(count, dimension)` with orthonormal rows.

    Raises:
        ValueError: If `count` is larger than `dimension`.
    """
    if count > dimension:
        raise ValueError(
            "There are no more orthogonal directions than values of a "
            f"program. Received: {count} directions, {dimension} values"
        )
    vectors = random_numbers.normal((dimension, count), seed, step)
    columns, triangle = ops.qr(vectors)
    # These signs make the columns uniform, and the same on every backend.
    signs = ops.sign(ops.diagonal(triangle))
    return ops.transpose(columns * signs)


def segmented_uniform(
    count: int, dimension: int, seed: int, step: Tensor
) -> Tensor:
    """Values of random sign and a magnitude from 0.5 to 1, as in BlackVIP.

    Args:
        count: Integer. The number of directions.
        dimension: Integer. The number of values of a direction.
        seed: Integer. The random seed.
        step: Integer scalar tensor. The number of the step.

    Returns:
        A tensor `(count, dimension)` with values in `[-1, -0.5]` or
        `[0.5, 1]`.
    """
    values = random_numbers.uniform((count, dimension), seed, step)
    return ops.where(values < 0.5, values - 1.0, values)
