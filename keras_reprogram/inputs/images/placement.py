"""The base class of placements, which put samples onto the canvas."""

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
    """Base class: places a batch of samples on an empty canvas.

    A placement supports any number of spatial axes, which an `Axes` describes.
    Values outside of the sample are zero.

    An `InputReprogrammer` calls `check`, `data_mask` and `build_on` once, and
    then for each batch `in_unit_range`, `place` and `mask_pattern`. All but
    `build_on` depend only on their arguments and on trained values.

    Attributes:
        sample_dtype: String or `None`. Dtype of samples such as tokens; `None`
            for values in a range.
        built: Boolean. Whether the placement has created its variables.
    """

    sample_dtype: ClassVar[str | None] = None
    built: bool = False

    # === Before training ===

    def check(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> None:
        """Raises a `ValueError` unless a sample's axes and channels fit.

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
        """Returns where the canvas contains data.

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

        It is called after `check`, for an untrusted config.

        Args:
            sample_shape: As for `check`.
            canvas_shape: As for `check`.
            axes: As for `check`.

        Raises:
            ValueError: If placing samples needs too much memory.
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

    def canvas_range(self, value_range: ValueRange | None) -> ValueRange | None:
        """Returns the lowest and highest value of the canvas.

        It is the range before the canvas is scaled for the source: that of the
        samples, which are placed as they are, or another one if the placement
        draws something else, such as pictures.

        Args:
            value_range: Tuple of two floats, or `None`. The samples' range.
        """
        return value_range

    # === Samples ===

    def in_unit_range(
        self, samples: Tensor, value_range: ValueRange | None, dtype: str
    ) -> Tensor:
        """Maps samples from their range to `[0, 1]`, before they are placed.

        Args:
            samples: Tensor. A batch of samples of any dtype.
            value_range: Tuple of two floats, or `None` to keep the values.
            dtype: String. The dtype of the result.
        """
        return in_unit_range(samples, value_range, dtype)

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        """Places a batch of samples without changing their channels.

        Args:
            samples: Tensor. The result of `in_unit_range`.
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
        """Removes a pattern from data whose position is trained.

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
        """Returns the matrices by which `place` multiplies a sample.

        Args:
            sample_shape: As for `check`.
            canvas_shape: As for `check`.
            axes: As for `check`.

        Returns:
            A read-only array `[canvas size, sample size]` for each spatial
            axis. `None` if a sample's size is unknown, or placing it is not one
            matrix along each axis.
        """
        return None

    def check_values(self, samples: np.ndarray) -> None:
        """Raises a `ValueError` if samples contain invalid values."""

    def doubtful_range(
        self, samples: np.ndarray, value_range: ValueRange | None
    ) -> str | None:
        """Describes why samples are unlikely to have this range."""
        return doubtful_range(samples, value_range)

    def valid(self, samples: Tensor) -> Tensor | None:
        """As `InputTransformation.valid`."""
        return finite_rows(samples)

    @property
    def valid_values(self) -> str:
        """A description of the valid values, for error messages."""
        return "finite numbers"


class TrainedPlacement(keras.layers.Layer, Placement):
    """Base class: a placement with variables, as a Keras layer."""

    @property
    def is_trained(self) -> bool:
        return bool(self.trainable_weights)


def advice_on_axes(sample_axes: int, canvas_axes: int) -> str:
    """Returns advice on samples with a wrong number of axes."""
    if canvas_axes == 1:
        return (
            "remove the axis of one channel, average several channels, as of "
            "stereo sound, or concatenate them by "
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
    """Returns advice on samples with a wrong number of channels."""
    other = 0 if axes.channel else len(sample_shape) - 1
    if sample_shape[other] in (1, axes.channels(canvas_shape)):
        return (
            "move the channels to the axis of `data_format`, or pass "
            "another `data_format`"
        )
    channels = axes.channels(sample_shape)
    if len(axes.spatial) == 2 and channels in (2, 4):
        return "leave out the alpha channel, as by `images[..., :-1]`"
    return "choose some of them, or take their mean"
