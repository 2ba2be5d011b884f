"""Vectors of length 1, whatever the unit they come in."""

from typing import Any

from keras import ops


def unit_vectors(
    vectors: Any, axis: int | None = -1, library: Any = ops
) -> Any:
    """Divides vectors by their Euclidean norm; a vector of zeros stays so.

    A vector is divided by its largest component first: the squares of very
    small or large numbers leave the range of their dtype.

    Args:
        vectors: A tensor or an array, of float32 at least.
        axis: Axis of the components; `None` for all of them.
        library: `keras.ops` for a tensor, `numpy` for an array.
    """
    largest = library.max(library.abs(vectors), axis=axis, keepdims=True)
    is_zero = library.equal(largest, 0.0)
    one = library.ones_like(largest)
    scaled = library.divide(vectors, library.where(is_zero, one, largest))
    squares = library.sum(library.square(scaled), axis=axis, keepdims=True)
    # A norm of zero would have no gradient.
    norms = library.sqrt(library.where(is_zero, one, squares))
    return library.divide(scaled, norms)
