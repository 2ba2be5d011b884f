"""The contract of what puts samples onto the source's canvas."""

from typing import ClassVar

import keras
import numpy as np

from keras_reprogram.configurable import Configurable
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.inputs.sample_range import ValueRange
from keras_reprogram.inputs.sample_range import doubtful_range
from keras_reprogram.inputs.sample_range import in_unit_range
from keras_reprogram.inputs.valid import finite_rows
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


class Placement(Configurable):
    """Base class: puts a batch of samples onto an empty canvas.

    A placement is written for any number of spatial axes; an `Axes` says
    where they are. Values outside of the sample are zero.

    An `InputReprogrammer` calls `check`, `data_mask` and `build_on` once, and
    then for each batch `in_unit_range`, `place` and `mask_pattern`. All but
    `build_on` depend on their arguments, and on trained values, alone.

    Attributes:
        sample_dtype: String or `None`. Dtype of samples that are integers
            with a meaning of their own; `None` for values in a range.
        built: Boolean. Whether the placement has created its variables.
    """

    sample_dtype: ClassVar[str | None] = None
    built: bool = False

    # === Before training ===

    def check(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> None:
        """Raises unless the sample's axes and channels fit the canvas's.

        Args:
            sample_shape: Tuple. Shape of a sample, without the batch axis.
            canvas_shape: Tuple of integers. Shape of the source's input,
                without the batch axis.
            axes: `Axes`. The spatial and channel axes of both.

        Raises:
            ValueError: If they do not fit.
        """
        if len(sample_shape) != len(canvas_shape):
            raise ValueError(
                "Samples must have as many axes as the source's input; "
                f"{advice_on_axes(len(sample_shape), len(canvas_shape))}. "
                f"Received: samples of shape {sample_shape}, "
                f"source_shape={canvas_shape}"
            )
        channels = axes.channels(sample_shape)
        if channels not in (None, 1, axes.channels(canvas_shape)):
            raise ValueError(
                "Samples must have one channel, or as many as the source's "
                f"input; {advice_on_channels(sample_shape, canvas_shape, axes)}"
                f". Received: samples of shape {sample_shape}, "
                f"source_shape={canvas_shape}, "
                f"data_format={axes.data_format!r}"
            )

    def data_mask(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> np.ndarray:
        """Returns where the canvas holds data.

        Args:
            sample_shape: As for `check`.
            canvas_shape: As for `check`.
            axes: As for `check`.

        Returns:
            A boolean array over the canvas's spatial axes.

        Raises:
            ValueError: If the sample cannot be placed on this canvas.
        """
        raise NotImplementedError

    def expected_variables(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> list[ExpectedVariable]:
        """Returns the variables that `build_on` will create.

        It is called after `check`, for a config that may be anyone's.

        Args:
            sample_shape: As for `check`.
            canvas_shape: As for `check`.
            axes: As for `check`.

        Raises:
            ValueError: If placing samples takes too much.
        """
        return []

    def build_on(self, canvas: Canvas) -> None:
        """Creates the placement's variables, if it has any.

        Args:
            canvas: A `Canvas`.
        """

    @property
    def is_trained(self) -> bool:
        """Whether training changes how samples are placed."""
        return False

    # === Samples ===

    def in_unit_range(
        self, samples: Tensor, value_range: ValueRange | None, dtype: str
    ) -> Tensor:
        """Maps samples from their range to `[0, 1]`, before they are placed.

        Args:
            samples: Tensor. A batch of samples of any dtype.
            value_range: Tuple of two floats, or `None` for samples that are
                taken as they are.
            dtype: String. The dtype of the result.
        """
        return in_unit_range(samples, value_range, dtype)

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        """Places a batch of samples; the channels stay what they are.

        Args:
            samples: Tensor. What `in_unit_range` returned.
            canvas_shape: As for `check`.
            axes: As for `check`.
        """
        raise NotImplementedError

    def mask_pattern(
        self,
        pattern: Tensor,
        sample_shape: Shape,
        canvas_shape: FixedShape,
        axes: Axes,
    ) -> Tensor:
        """Removes a pattern where data were placed that move in training.

        Args:
            pattern: Tensor of the canvas's shape, or a batch of them.
            sample_shape: As for `check`.
            canvas_shape: As for `check`.
            axes: As for `check`.
        """
        return pattern

    def matrices(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> tuple[np.ndarray, ...] | None:
        """Returns the matrices that `place` multiplies a sample with.

        Args:
            sample_shape: As for `check`.
            canvas_shape: As for `check`.
            axes: As for `check`.

        Returns:
            An array `[canvas size, sample size]` for each spatial axis, which
            is not to be written to. `None` if a sample's size is not known,
            or placing it is not one matrix along each axis.
        """
        return None

    def check_values(self, samples: np.ndarray) -> None:
        """Raises a `ValueError` if samples hold what cannot be placed."""

    def doubtful_range(
        self, samples: np.ndarray, value_range: ValueRange | None
    ) -> str | None:
        """Returns what is strange about samples in this range, in words."""
        return doubtful_range(samples, value_range)

    def valid(self, samples: Tensor) -> Tensor | None:
        """As `InputTransformation.valid`."""
        return finite_rows(samples)

    @property
    def valid_values(self) -> str:
        """The values that samples may hold, in words."""
        return "finite numbers"


class TrainedPlacement(keras.layers.Layer, Placement):
    """Base class: a placement with variables, which is a Keras layer."""

    @property
    def is_trained(self) -> bool:
        return bool(self.trainable_weights)


def advice_on_axes(sample_axes: int, canvas_axes: int) -> str:
    """Returns what to do with samples of a wrong number of axes."""
    if canvas_axes == 1:
        return (
            "take the axis of one channel away, take the mean of several, as "
            "of stereo sound, or lay them one after the other by "
            "`placement=keras_reprogram.inputs.ChannelConcatenation()`"
        )
    if canvas_axes == 3 and sample_axes == 2:
        return "give a gray image a channel axis"
    if canvas_axes == 2 and sample_axes == 1:
        return "give a series of one channel a channel axis"
    return "add axes of one, or take some away"


def advice_on_channels(
    sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
) -> str:
    """Returns what to do with samples of a wrong number of channels."""
    other = 0 if axes.channel else len(sample_shape) - 1
    if sample_shape[other] in (1, axes.channels(canvas_shape)):
        return (
            "move the channels to where `data_format` has them, or pass "
            "another `data_format`"
        )
    channels = axes.channels(sample_shape)
    if len(axes.spatial) == 2 and channels in (2, 4):
        return "leave out the alpha channel, as by `images[..., :-1]`"
    return "choose some of them, or take their mean"
