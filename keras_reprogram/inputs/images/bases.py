"""Bases that span patterns with few coefficients."""

import dataclasses
import math

import numpy as np
from keras import ops

from keras_reprogram.configurable import Configurable
from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.configurable import size
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.interpolation import INTERPOLATIONS
from keras_reprogram.inputs.images.interpolation import check_interpolation
from keras_reprogram.inputs.images.interpolation import resize
from keras_reprogram.inputs.images.interpolation import resize_matrix
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import last_axis_moved

# Limits of grids in program files: values of a matrix, and products in applying
# it.
LARGEST_WEIGHTS = 2**24
MOST_PRODUCTS = 2**33


class Basis(Configurable):
    """Base class: expands a short vector `theta` to a canvas."""

    def dimension(self, canvas_shape: FixedShape, axes: Axes) -> int:
        """Length of `theta` for this canvas."""
        raise NotImplementedError

    def check_cost(self, canvas_shape: FixedShape, axes: Axes) -> None:
        """Raises a `ValueError` if expanding needs too much memory."""

    def expand(
        self, theta: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        """Returns the canvas of shape `canvas_shape`."""
        raise NotImplementedError

    def active_coefficients(self, mask: np.ndarray, axes: Axes) -> np.ndarray:
        """Returns which values of `theta` change any free value of the canvas.

        Args:
            mask: Boolean array of the canvas's shape. Which values are free.
            axes: The canvas's spatial and channel axes.

        Returns:
            A boolean array `[dimension]`.
        """
        return np.full(self.dimension(mask.shape, axes), mask.any())


@serializable
@dataclasses.dataclass(frozen=True)
class Grid(Basis):
    """A coarse grid that is interpolated to the canvas: low frequencies.

    Args:
        size: Integer, or tuple of one for each spatial axis. Number of cells
            along each of them. Defaults to `8`.
        interpolation: String. `"bilinear"`, `"nearest"` or `"bicubic"`.
            Defaults to `"bilinear"`.
    """

    program_strings = {"interpolation": INTERPOLATIONS}

    size: int | tuple[int, ...] = 8
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        self.set_fields(size=size("size", self.size))
        check_interpolation(self.interpolation)

    def grid_shape(self, canvas_shape: FixedShape, axes: Axes) -> FixedShape:
        rank = len(axes.spatial)
        sizes = self.size if isinstance(self.size, tuple) else (self.size,)
        sizes = sizes * rank if len(sizes) == 1 else sizes
        canvas = axes.spatial_shape(canvas_shape)
        if len(sizes) != rank or any(
            cells > room for cells, room in zip(sizes, canvas)
        ):
            raise ValueError(
                "The grid must not be finer than the canvas. Received: "
                f"size={self.size}, canvas={canvas}"
            )
        return axes.with_spatial(canvas_shape, sizes)

    def check_cost(self, canvas_shape: FixedShape, axes: Axes) -> None:
        cells = self.grid_shape(canvas_shape, axes)
        for axis in axes.spatial:
            if (
                cells[axis] * canvas_shape[axis] > LARGEST_WEIGHTS
                or cells[axis] * math.prod(canvas_shape) > MOST_PRODUCTS
            ):
                raise ValueError(
                    "The grid is too fine for its canvas. Received: "
                    f"size={self.size}, canvas={canvas_shape}"
                )

    def dimension(self, canvas_shape: FixedShape, axes: Axes) -> int:
        return math.prod(self.grid_shape(canvas_shape, axes))

    def expand(
        self, theta: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        grid = ops.reshape(theta, (1, *self.grid_shape(canvas_shape, axes)))
        sizes = axes.spatial_shape(canvas_shape)
        return resize(grid, sizes, axes, self.interpolation)[0]

    def active_coefficients(self, mask: np.ndarray, axes: Axes) -> np.ndarray:
        cells = self.grid_shape(mask.shape, axes)
        for axis in axes.spatial:
            weights = resize_matrix(
                cells[axis], mask.shape[axis], self.interpolation
            )
            found = np.tensordot(mask, weights != 0, (axis, 0))
            mask = np.moveaxis(found, -1, axis)
        return mask.ravel()


@serializable
@dataclasses.dataclass(frozen=True)
class LowRank(Basis):
    """A low-rank matrix for each channel: `B (A_0 + A)`.

    `theta` contains `B` and `A`; `A_0` is drawn once from the seed, so that
    training starts from an empty pattern with a gradient that is not zero.

    Args:
        rank: Integer. Rank of the matrix of each channel. Defaults to `4`.
        seed: Integer. Seed of `A_0`. Defaults to `0`.

    References:
        - [LoR-VP](https://arxiv.org/abs/2502.00896)
    """

    rank: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        self.set_fields(
            rank=positive_integer("rank", self.rank), seed=check_seed(self.seed)
        )

    def sizes(
        self, canvas_shape: FixedShape, axes: Axes
    ) -> tuple[int, int, int]:
        if len(axes.spatial) != 2:
            raise ValueError(
                "A low-rank pattern needs an image. Received: a canvas "
                f"of {canvas_shape}"
            )
        height, width = axes.spatial_shape(canvas_shape)
        if self.rank > min(height, width):
            raise ValueError(
                "The rank must be at most the canvas's height and width. "
                f"Received: rank={self.rank}, canvas={canvas_shape}"
            )
        return axes.channels(canvas_shape), height, width

    def dimension(self, canvas_shape: FixedShape, axes: Axes) -> int:
        channels, height, width = self.sizes(canvas_shape, axes)
        return channels * self.rank * (height + width)

    def expand(
        self, theta: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        channels, height, width = self.sizes(canvas_shape, axes)
        split = channels * self.rank * height
        left = ops.reshape(theta[:split], (channels, height, self.rank))
        right = ops.reshape(theta[split:], (channels, self.rank, width))
        start = np.random.default_rng(self.seed).normal(
            size=(channels, self.rank, width)
        )
        right = ops.add(right, ops.cast(start, theta.dtype))
        images = ops.matmul(left, right)
        if axes.channel != 0:
            images = ops.transpose(images, (1, 2, 0))
        return ops.reshape(images, canvas_shape)

    def active_coefficients(self, mask: np.ndarray, axes: Axes) -> np.ndarray:
        channels, height, width = self.sizes(mask.shape, axes)
        if axes.channel != 0:
            mask = np.moveaxis(mask.reshape(height, width, channels), -1, 0)
        mask = mask.reshape(channels, height, width)
        rows = np.repeat(np.any(mask, axis=2), self.rank)
        columns = np.any(mask, axis=1, keepdims=True)
        columns = np.repeat(columns, self.rank, axis=1)
        return np.concatenate([rows, columns.ravel()])


@serializable
@dataclasses.dataclass(frozen=True)
class Cosine(Basis):
    """The lowest frequencies of a discrete cosine transform.

    Args:
        size: Integer. Number of frequencies along each spatial axis. Defaults
            to `8`.
    """

    size: int = 8

    def __post_init__(self) -> None:
        self.set_fields(size=positive_integer("size", self.size))

    def dimension(self, canvas_shape: FixedShape, axes: Axes) -> int:
        if min(axes.spatial_shape(canvas_shape)) < self.size:
            raise ValueError(
                "There must not be more frequencies than values along an axis. "
                f"Received: size={self.size}, canvas={canvas_shape}"
            )
        channels = axes.channels(canvas_shape)
        return math.prod((channels, *(self.size for _ in axes.spatial)))

    def expand(
        self, theta: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        rank = len(axes.spatial)
        shape = axes.with_spatial(canvas_shape, (self.size,) * rank)
        canvas = ops.reshape(theta, shape)
        for axis in axes.spatial:
            matrix = cosines(self.size, canvas_shape[axis])
            canvas = ops.moveaxis(canvas, axis, -1)
            canvas = ops.matmul(canvas, ops.cast(matrix, theta.dtype))
            canvas = last_axis_moved(canvas, axis)
        return canvas


def cosines(frequencies: int, length: int) -> np.ndarray:
    """Returns orthonormal cosines `[frequencies, length]` (DCT-II)."""
    steps = (np.arange(length) + 0.5) * np.pi / length
    matrix: np.ndarray = np.cos(np.outer(np.arange(frequencies), steps))
    matrix *= np.sqrt(2.0 / length)
    matrix[0] /= np.sqrt(2.0)
    return matrix
