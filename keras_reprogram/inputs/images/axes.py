"""Where the spatial and the channel axes of a sample are."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_reprogram.typing import Shape

DATA_FORMATS = ("channels_last", "channels_first", "no_channels")


@dataclasses.dataclass(frozen=True)
class Axes:
    """The axes of a shape without its batch axis.

    A shape of one axis, as a waveform's `(samples,)`, has no channels.

    Args:
        rank: Number of axes of a sample.
        data_format: One of `DATA_FORMATS`.
    """

    rank: int
    data_format: str

    @property
    def channel(self) -> int | None:
        if self.rank < 2 or self.data_format == "no_channels":
            return None
        return self.rank - 1 if self.data_format == "channels_last" else 0

    @property
    def spatial(self) -> tuple[int, ...]:
        return tuple(axis for axis in range(self.rank) if axis != self.channel)

    def spatial_shape(self, shape: Shape) -> Shape:
        return tuple(shape[axis] for axis in self.spatial)

    def channels(self, shape: Shape) -> int | None:
        return 1 if self.channel is None else shape[self.channel]

    def with_spatial(self, shape: Shape, sizes: Sequence[int]) -> Shape:
        """The shape with its spatial sizes replaced."""
        resized = list(shape)
        for axis, size in zip(self.spatial, sizes):
            resized[axis] = size
        return tuple(resized)

    def along_channels(self, values: float | Sequence[float]) -> np.ndarray:
        """Per-channel constants, shaped to broadcast against a batch."""
        constants = np.asarray(values, "float32")
        if constants.ndim and self.channel is not None:
            shape = [1] * (self.rank + 1)
            shape[self.channel + 1] = constants.size
            constants = constants.reshape(shape)
        return constants
