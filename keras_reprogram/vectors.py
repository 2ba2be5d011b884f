"""Normalization of vectors to unit length."""

from types import ModuleType

from keras import ops

from keras_reprogram.typing import Tensor


def unit_vectors(
    vectors: Tensor, axis: int | None = -1, library: ModuleType = ops
) -> Tensor:
    """Divides vectors by their Euclidean norm. Zero vectors stay zero.

    A vector is first divided by its largest component, since the squares of
    very small or large numbers would underflow or overflow.

    Args:
        vectors: Tensor or array, at least of float32.
        axis: Integer. The axis of the components; `None` for all axes.
            Defaults to `-1`.
        library: Module. `keras.ops` for a tensor, `numpy` for an array.
            Defaults to `keras.ops`.

    Returns:
        A tensor or array of the same shape.
    """
    largest = library.max(library.abs(vectors), axis=axis, keepdims=True)
    is_zero = library.equal(largest, 0.0)
    one = library.ones_like(largest)
    scaled = library.divide(vectors, library.where(is_zero, one, largest))
    squares = library.sum(library.square(scaled), axis=axis, keepdims=True)
    # The gradient of a square root of zero is not finite.
    norms = library.sqrt(library.where(is_zero, one, squares))
    return library.divide(scaled, norms)
