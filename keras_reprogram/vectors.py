"""Vectors of unit length, entries of vectors, and the axis of vectors."""

from types import ModuleType

import numpy as np
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


def gathered(values: Tensor, indices: Tensor | np.ndarray) -> Tensor:
    """Returns entries of the last axis, `[..., *indices.shape]`.

    They are gathered as rows of a matrix: Keras's PyTorch backend gathers
    along other axes by operations that its exporter to ONNX does not have.

    Args:
        values: Tensor `[batch, ..., S]`.
        indices: Integer tensor or array of any shape, of entries from 0.
    """
    kept = ops.shape(values)[1:-1]
    rows = ops.reshape(values, (-1, ops.shape(values)[-1]))
    found = ops.take(ops.transpose(rows), indices, axis=0)
    axes = range(len(indices.shape))
    found = ops.transpose(found, (len(axes), *axes))
    return ops.reshape(found, (-1, *kept, *ops.shape(indices)))


def last_axis_moved(values: Tensor, axis: int) -> Tensor:
    """Moves the last axis to another place.

    PyTorch exports the axis -1 as it is to ONNX, which no runtime loads.

    Args:
        values: Tensor.
        axis: Integer. Where the last axis is afterwards.
    """
    return ops.moveaxis(values, len(values.shape) - 1, axis)
