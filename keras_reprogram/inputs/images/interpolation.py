"""Resizing along any number of axes, and interpolation matrices."""

import functools
import math
from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import last_axis_moved

INTERPOLATIONS = ("bilinear", "nearest", "bicubic")
LARGEST_KEPT = 2**20
NUM_KEPT = 64


def check_interpolation(interpolation: str) -> None:
    """Raises a `ValueError` for a name that is not an interpolation."""
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"`interpolation` must be one of {INTERPOLATIONS}. Received: "
            f"interpolation={interpolation!r}"
        )


def resize(
    samples: Tensor, sizes: Sequence[int], axes: Axes, interpolation: str
) -> Tensor:
    """Resizes the spatial axes of a batch, whatever their number.

    Args:
        samples: Tensor with a batch axis.
        sizes: Sequence of integers. New length of each spatial axis.
        axes: `Axes` of a sample.
        interpolation: String. One of `INTERPOLATIONS`.
    """
    if len(axes.spatial) == 2 and axes.channel is not None:
        return ops.image.resize(
            samples,
            tuple(sizes),
            interpolation=interpolation,
            data_format=axes.data_format,
        )
    # Interpolation is separable. Each axis is resized as an image with one
    # channel, whose rows are the axis and whose columns are all following axes.
    for axis, length in zip(axes.spatial, sizes):
        shape = list(samples.shape[1:])
        if shape[axis] == length:
            continue
        after = math.prod(shape[axis + 1 :])
        rows = ops.reshape(samples, (-1, shape[axis], after, 1))
        rows = ops.image.resize(
            rows,
            (length, after),
            interpolation=interpolation,
            data_format="channels_last",
        )
        shape[axis] = length
        samples = ops.reshape(rows, (-1, *shape))
    return samples


def resize_matrix(length: int, size: int, interpolation: str) -> np.ndarray:
    """Returns the matrix `[size, length]` that resizes one axis.

    Args:
        length: Integer. Length of the axis.
        size: Integer. Its new length.
        interpolation: String. One of `INTERPOLATIONS`.

    Returns:
        A read-only float32 array.
    """
    if length == size:
        return np.eye(length, dtype="float32")
    if length * size > LARGEST_KEPT:
        return computed_matrix(length, size, interpolation)
    return kept_matrix(length, size, interpolation)


def computed_matrix(length: int, size: int, interpolation: str) -> np.ndarray:
    image = np.eye(length, dtype="float32")[None, :, :, None]
    resized = ops.image.resize(
        image,
        (size, length),
        interpolation=interpolation,
        data_format="channels_last",
    )
    matrix: np.ndarray = ops.convert_to_numpy(resized)[0, :, :, 0]
    return matrix


@functools.lru_cache(maxsize=NUM_KEPT)
def kept_matrix(length: int, size: int, interpolation: str) -> np.ndarray:
    # A bank uses the same matrix for every program.
    matrix = computed_matrix(length, size, interpolation)
    matrix.setflags(write=False)
    return matrix


def resampled(values: Tensor, size: int, axis: int) -> Tensor:
    """Resamples one axis linearly, with the mean of the steps that are joined.

    Args:
        values: Tensor of any rank.
        size: Integer. New length of the axis.
        axis: Integer. The axis.
    """
    length = int(values.shape[axis])  # A tensor in a trace of PyTorch.
    if length == size:
        return values
    matrix = ops.cast(resampling_matrix(length, size), values.dtype)
    product = ops.tensordot(values, matrix, axes=[[axis], [1]])
    return last_axis_moved(product, axis)


def resampling_matrix(length: int, size: int) -> np.ndarray:
    """Returns triangles `[size, length]` as wide as what a step covers.

    Args:
        length: Integer. Length of the axis.
        size: Integer. Its new length.

    Raises:
        ValueError: If the matrix is too large.
    """
    check_matrix(length, size)
    middles = (np.arange(size)[:, None] + 0.5) * (length / size) - 0.5
    distances = np.abs(middles - np.arange(length)) / max(length / size, 1.0)
    weights = np.maximum(1.0 - distances, 0.0)
    return np.asarray(weights / weights.sum(1, keepdims=True), "float32")


def check_matrix(length: int, size: int) -> None:
    """Raises a `ValueError` for a series too long to be resampled."""
    if length * size > LARGEST_SAMPLE:
        raise ValueError(
            "The series are too long to be drawn: average neighboring steps "
            f"first, to at most {LARGEST_SAMPLE // size} of them. Received: "
            f"series of {length} steps for {size} pixels"
        )
