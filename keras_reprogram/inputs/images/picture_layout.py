"""Where the pictures of several channels are on a canvas."""

import dataclasses
import math

import numpy as np
from keras import ops

from keras_reprogram.inputs.images.series_drawing import Sizes
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import last_axis_moved


@dataclasses.dataclass(frozen=True)
class PictureLayout:
    """A grid of pictures, each of as many channels as it has colors.

    Args:
        num_channels: Integer. Number of channels.
        colors: Integer. Number of colors of a picture.
        canvas_sizes: Tuple of two integers. Height and width of the canvas.
    """

    num_channels: int
    colors: int
    canvas_sizes: Sizes

    @property
    def num_pictures(self) -> int:
        """Number of pictures."""
        return math.ceil(self.num_channels / self.colors)

    @property
    def grid(self) -> Sizes:
        """Number of rows and columns of pictures, as many as there can be."""
        columns = math.ceil(math.sqrt(self.num_pictures))
        return math.ceil(self.num_pictures / columns), columns

    @property
    def picture_sizes(self) -> Sizes:
        """Height and width of a picture."""
        rows, columns = self.grid
        height, width = self.canvas_sizes
        return height // rows, width // columns

    @property
    def margins(self) -> list[Sizes]:
        """Free space before and after the grid, along both axes."""
        return [
            (0, room - cells * size)
            for room, cells, size in zip(
                self.canvas_sizes, self.grid, self.picture_sizes
            )
        ]

    def data_mask(self) -> np.ndarray:
        """Returns a boolean array, true where the canvas has a picture."""
        filled = np.arange(math.prod(self.grid)) < self.num_pictures
        pictures = np.ones(self.picture_sizes, bool)
        return np.pad(
            np.kron(filled.reshape(self.grid), pictures), self.margins
        )

    def color_shares(self) -> np.ndarray:
        """Returns the share of each channel in each color of each picture.

        A picture with fewer channels than colors has their mean in the others.

        Returns:
            An array `[pictures * colors, channels]`.
        """
        shape = self.num_pictures * self.colors, self.num_channels
        shares = np.zeros(shape, "float32")
        for first in range(0, self.num_channels, self.colors):
            last = min(first + self.colors, self.num_channels)
            shares[first:last, first:last] = np.eye(last - first)
            shares[last : first + self.colors, first:last] = 1 / (last - first)
        return shares

    def arranged(self, pictures: Tensor) -> Tensor:
        """Returns canvases `[N, colors, height, width]`.

        Args:
            pictures: Tensor `[N * channels, height, width]`. A gray picture of
                each channel.
        """
        (rows, columns), sizes = self.grid, self.picture_sizes
        pictures = ops.reshape(pictures, (-1, self.num_channels, *sizes))
        if self.colors > 1:
            shares = ops.cast(self.color_shares(), pictures.dtype)
            pictures = ops.tensordot(pictures, shares, axes=[[1], [1]])
            pictures = last_axis_moved(pictures, 1)
        empty = (rows * columns - self.num_pictures) * self.colors
        pictures = ops.pad(pictures, [(0, 0), (0, empty), (0, 0), (0, 0)])
        pictures = ops.reshape(
            pictures, (-1, rows, columns, self.colors, *sizes)
        )
        canvas = ops.transpose(pictures, (0, 3, 1, 4, 2, 5))
        drawn = (rows * sizes[0], columns * sizes[1])
        canvas = ops.reshape(canvas, (-1, self.colors, *drawn))
        return ops.pad(canvas, [(0, 0), (0, 0), *self.margins])
