"""The spatial and channel axes of samples."""

import dataclasses
import operator
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

DATA_FORMATS = ("channels_last", "channels_first", "no_channels")

# The sizes of a `FixedShape` or of a `Shape`.
Size = TypeVar("Size", int, int | None)


@dataclasses.dataclass(frozen=True)
class Axes:
    """The spatial and channel axes of a sample.

    A sample of one axis, such as a waveform `(samples,)`, has no channels.

    Args:
        rank: Integer. Number of axes of a sample.
        data_format: String. One of `DATA_FORMATS`.
    """

    rank: int
    data_format: str

    @property
    def channel(self) -> int | None:
        """The channel axis, or `None`."""
        if self.rank < 2 or self.data_format == "no_channels":
            return None
        return self.rank - 1 if self.data_format == "channels_last" else 0

    @property
    def spatial(self) -> tuple[int, ...]:
        """All other axes."""
        return tuple(axis for axis in range(self.rank) if axis != self.channel)

    def spatial_shape(self, shape: tuple[Size, ...]) -> tuple[Size, ...]:
        """Returns the sizes of the spatial axes."""
        return tuple(shape[axis] for axis in self.spatial)

    def channels(self, shape: tuple[Size, ...]) -> Size | int:
        """Returns the number of channels, 1 without a channel axis."""
        return 1 if self.channel is None else shape[self.channel]

    def with_spatial(
        self, shape: tuple[Size, ...], sizes: Sequence[Size]
    ) -> tuple[Size, ...]:
        """Returns the shape with other spatial sizes."""
        resized = list(shape)
        for axis, size in zip(self.spatial, sizes):
            resized[axis] = size
        return tuple(resized)

    def along_channels(
        self, values: float | Sequence[float] | np.ndarray
    ) -> np.ndarray:
        """Returns constants that broadcast to the channels of a batch."""
        constants = np.asarray(values, "float32")
        if constants.ndim and self.channel is not None:
            shape = [1] * (self.rank + 1)
            shape[self.channel + 1] = constants.size
            constants = constants.reshape(shape)
        return constants


def known_sizes(sizes: Shape) -> FixedShape | None:
    """Returns the sizes of a shape, or `None` if any is unknown."""
    known = tuple(size for size in sizes if size is not None)
    return known if len(known) == len(sizes) else None


def sizes_in_trace(values: Tensor) -> Shape:
    """Returns the sizes of samples as integers, `None` where unknown.

    In a trace of PyTorch sizes are tensors, in an export of JAX they may be
    symbols, which are no integers.
    """
    return tuple(
        operator.index(size) if hasattr(size, "__index__") else None
        for size in values.shape[1:]
    )
