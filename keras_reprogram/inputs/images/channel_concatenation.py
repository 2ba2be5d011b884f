"""The placement that concatenates the channels of a series."""

import dataclasses
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images import placements
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.axes import known_sizes
from keras_reprogram.inputs.images.placement import Placement
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
@dataclasses.dataclass(frozen=True)
class ChannelConcatenation(Placement):
    """Concatenates a series' channels along a waveform.

    ```
    long[c * steps + t] = sample[t, c]
    ```

    Another placement then puts the concatenated series onto the waveform: in
    its middle, at an offset, several times, or resampled. A series with one
    channel is placed unchanged.

    Example:

    ```python
    # Three axes of an accelerometer, 150 steps each, four times in a second.
    reprogrammer = keras_reprogram.InputReprogrammer(
        target_shape=(150, 3),
        source_shape=(16000,),
        placement=keras_reprogram.inputs.ChannelConcatenation(
            keras_reprogram.inputs.Tile(copies=4)
        ),
        value_range=None,
    )
    reprogrammer(np.zeros((2, 150, 3))).shape  # (2, 16000)
    ```

    Args:
        placement: String or `keras_reprogram.inputs.Placement`, for the series
            of `channels * steps` steps. `"resize"`, `"pad"` or `"tile"` by
            name. Defaults to `"pad"`.
    """

    program_objects = {"placement": Placement}

    placement: str | Placement = "pad"

    def __post_init__(self) -> None:
        self.set_fields(placement=placements.get(self.placement))

    @property
    def inner(self) -> Placement:
        """The placement of the concatenated series."""
        return placements.get(self.placement)

    def check(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> None:
        if (
            len(sample_shape) not in (1, 2)
            or None in sample_shape
            or len(axes.spatial) != 1
            or axes.channels(canvas_shape) != 1
        ):
            raise ValueError(
                "`ChannelConcatenation` places series (steps,) or (steps, "
                "channels) of a known length on a waveform with one channel. "
                f"Received: samples of shape {sample_shape}, "
                f"source_shape={canvas_shape}"
            )

    def _long_shape(self, sample_shape: Shape, axes: Axes) -> FixedShape:
        """Returns the shape of the concatenated series on the canvas."""
        steps = math.prod(known_sizes(sample_shape) or ())
        return axes.with_spatial((1,) * axes.rank, (steps,))

    def expected_variables(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> list[ExpectedVariable]:
        shape = self._long_shape(sample_shape, axes)
        if self.inner.expected_variables(shape, canvas_shape, axes):
            raise ValueError(
                "`ChannelConcatenation` takes a placement without trained "
                f"values. Received: placement={self.placement!r}"
            )
        return []

    def data_mask(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> np.ndarray:
        shape = self._long_shape(sample_shape, axes)
        return self.inner.data_mask(shape, canvas_shape, axes)

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        shape = self._long_shape(samples.shape[1:], axes)
        if len(samples.shape) == 3 and axes.data_format != "channels_first":
            samples = ops.swapaxes(samples, 1, 2)
        samples = ops.reshape(samples, (-1, *shape))
        return self.inner.place(samples, canvas_shape, axes)

    def matrices(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> tuple[np.ndarray, ...] | None:
        shape = self._long_shape(sample_shape, axes)
        if tuple(sample_shape) != shape:
            return None  # channels become steps
        return self.inner.matrices(shape, canvas_shape, axes)

    def get_config(self) -> dict[str, Any]:
        placement = keras.saving.serialize_keras_object(self.placement)
        return {"placement": placement}
