"""The canvas: the source's input and the position of the data."""

import dataclasses

import numpy as np

from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.representation import constructor_call
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape


@dataclasses.dataclass(frozen=True, eq=False)
class Canvas:
    """The source's input and the position of the data on it.

    Args:
        shape: Tuple of integers. Shape of the source's input, without the
            batch axis.
        axes: `Axes`. Its spatial and channel axes.
        data_mask: Boolean array over the spatial axes, true where the
            placement puts data.
        sample_shape: Tuple. Shape of a sample, without the batch axis.
            Defaults to `()`, not known.
    """

    shape: FixedShape
    axes: Axes
    data_mask: np.ndarray
    sample_shape: Shape = ()

    __repr__ = constructor_call

    @property
    def spatial_shape(self) -> FixedShape:
        """Lengths of the spatial axes."""
        return tuple(self.shape[axis] for axis in self.axes.spatial)

    @property
    def channels(self) -> int:
        """Number of channels, 1 without a channel axis."""
        return 1 if self.axes.channel is None else self.shape[self.axes.channel]
