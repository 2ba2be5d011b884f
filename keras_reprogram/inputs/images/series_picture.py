"""The placement that draws series as pictures."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import serializable
from keras_reprogram.inputs import sample_range
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.axes import known_sizes
from keras_reprogram.inputs.images.axes import sizes_in_trace
from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.inputs.images.interpolation import check_matrix
from keras_reprogram.inputs.images.interpolation import resampled
from keras_reprogram.inputs.images.pair_drawings import DifferenceMatrix
from keras_reprogram.inputs.images.pair_drawings import GramianField
from keras_reprogram.inputs.images.pair_drawings import RecurrencePlot
from keras_reprogram.inputs.images.picture_layout import PictureLayout
from keras_reprogram.inputs.images.placement import Placement
from keras_reprogram.inputs.images.series_drawing import SeriesDrawing
from keras_reprogram.inputs.images.spectrogram import Spectrogram
from keras_reprogram.inputs.images.wrapped_placement import WrappedPlacement
from keras_reprogram.inputs.sample_range import PIXELS
from keras_reprogram.inputs.sample_range import ValueRange
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

CHANNELS = ("grid", "colors")
SCALINGS = ("channel", "sample", "value_range")
# A smaller range, as a share of the values, is rounding.
SMALLEST_SPAN = 1e-6
SMALLEST_PICTURE = 4  # pixels
SERIES_AXES = Axes(2, "channels_last")


@serializable
class SeriesPicture(WrappedPlacement):
    """Draws a series, or one with several channels, as a picture.

    ```
    u = (x - low) / (high - low)            # in the unit range
    s = inner(u)                            # as many steps as the picture
    canvas = drawing(s)                     # of every channel
    ```

    A series that is longer than the canvas is resampled first, with the mean of
    the steps that are joined, so that the matrix of pairs is never larger than
    the canvas. Pictures are pixels from 0 to 255, whatever the `value_range` of
    the samples: a KerasHub source receives them in its own scaling, other
    sources in theirs by the arguments `scale` and `offset` of the
    `InputReprogrammer`.

    All drawings have finite gradients, so that a pattern on the canvas, and a
    trained `inner` placement of the series, can be trained.

    By default each series is scaled by its own lowest and highest value, and
    its level and its amplitude are lost. They matter where a class is a posture
    or a strength, as in readings of an accelerometer. For these, pass
    `scaling="value_range"`, and the lowest and highest value of the training
    series as `value_range`: differences and spectrograms then show the
    amplitude, and Gramian fields of the sum the level as well. Recurrence plots
    show neither.

    Example:

    ```python
    # Three axes of an accelerometer, 150 steps each.
    reprogrammer = keras_reprogram.InputReprogrammer(
        target_shape=(150, 3),
        source_shape=(65, 65, 3),
        placement=keras_reprogram.inputs.SeriesPicture("difference"),
        value_range=None,
    )
    reprogrammer(np.zeros((2, 150, 3))).shape  # (2, 65, 65, 3)
    ```

    Args:
        drawing: String or `keras_reprogram.inputs.SeriesDrawing`.
            `"difference"`, `"recurrence"`, `"gramian"` or `"spectrogram"` by
            name. Defaults to `"difference"`.
        inner: String or `keras_reprogram.inputs.Placement`. Places the series
            on as many steps as are drawn: `Resize("nearest")` repeats the steps
            of short series, and `Affine()` shifts and stretches time by trained
            numbers. Defaults to `"resize"`, linear interpolation.
        channels: String. `"grid"` draws each channel in gray beside the others;
            `"colors"` draws the first channels into the canvas's colors, the
            next ones into those of a picture beside it, and so on. Pictures are
            larger then, but a network trained on photographs tells those of
            `"grid"` apart better. Defaults to `"grid"`.
        scaling: String. By which lowest and highest value a series is scaled:
            that of its `"channel"`, of all channels of its `"sample"`, or the
            `"value_range"` of the `InputReprogrammer`, outside of which values
            are clipped. Defaults to `"channel"`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If a setting is not valid, the samples are not series of a
            known length, or they are too long or have too many channels for the
            canvas.

    References:
        - [Imaging time series](https://arxiv.org/abs/1506.00327)
    """

    program_objects = {"drawing": SeriesDrawing}
    program_strings = {"channels": CHANNELS, "scaling": SCALINGS}

    def __init__(
        self,
        drawing: str | SeriesDrawing = "difference",
        inner: str | Placement = "resize",
        channels: str = "grid",
        scaling: str = "channel",
        **kwargs: Any,
    ) -> None:
        super().__init__(inner, **kwargs)
        self.drawing = get(drawing)
        self.channels = choice("channels", channels, CHANNELS)
        self.scaling = choice("scaling", scaling, SCALINGS)
        self.is_doubtful = False

    # === The layout ===

    def layout(
        self, num_channels: int, canvas_shape: FixedShape, axes: Axes
    ) -> PictureLayout:
        """Returns where the pictures of all channels are on the canvas."""
        colors = axes.channels(canvas_shape)
        if self.channels == "grid" or num_channels == 1:
            colors = 1
        height, width = axes.spatial_shape(canvas_shape)
        return PictureLayout(num_channels, colors, (height, width))

    def series_shapes(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> tuple[FixedShape, FixedShape]:
        """Returns the shapes of a series before and after `inner`."""
        length, num_channels = series_shape(sample_shape, axes)
        layout = self.layout(num_channels, canvas_shape, axes)
        steps = self.drawing.steps(length, layout.picture_sizes)
        return (min(length, steps), num_channels), (steps, num_channels)

    # === Before training ===

    def canvas_range(self, value_range: ValueRange | None) -> ValueRange | None:
        return PIXELS

    def check(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> None:
        received = (
            f"Received: samples of shape {sample_shape}, "
            f"source_shape={canvas_shape}, data_format={axes.data_format!r}"
        )
        order = "(steps, channels)"
        if axes.data_format == "channels_first":
            order = "(channels, steps)"
        if (
            len(sample_shape) not in (1, 2)
            or None in sample_shape
            or len(axes.spatial) != 2
        ):
            raise ValueError(
                f"`SeriesPicture` draws series (steps,) or {order} of a known "
                "length on an image: pass them as `target_shape`, and put "
                "`SlidingWindows` around it for a source of windows. "
                + received
            )
        length, num_channels = series_shape(sample_shape, axes)
        sizes = self.layout(num_channels, canvas_shape, axes).picture_sizes
        if length < 2 or min(sizes) < SMALLEST_PICTURE:
            raise ValueError(
                f"`SeriesPicture` draws series {order} of at least 2 steps, "
                f"each channel in at least {SMALLEST_PICTURE} pixels: swap "
                "steps and channels if they are in another order, choose some "
                "of the channels, or pass a larger canvas. " + received
            )
        self.drawing.check(length, sizes)
        before, after = self.series_shapes(sample_shape, canvas_shape, axes)
        if before[0] < length:
            check_matrix(length, before[0])
        self.inner.check(before, after, SERIES_AXES)
        self.inner.data_mask(before, after, SERIES_AXES)

    def data_mask(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> np.ndarray:
        _, num_channels = series_shape(sample_shape, axes)
        return self.layout(num_channels, canvas_shape, axes).data_mask()

    def expected_variables(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> list[ExpectedVariable]:
        before, after = self.series_shapes(sample_shape, canvas_shape, axes)
        return self.inner.expected_variables(before, after, SERIES_AXES)

    def build_on(self, canvas: Canvas) -> None:
        before, after = self.series_shapes(
            canvas.sample_shape, canvas.shape, canvas.axes
        )
        mask = self.inner.data_mask(before, after, SERIES_AXES)
        super().build_on(Canvas(after, SERIES_AXES, mask, before))
        steps, num_channels = series_shape(canvas.sample_shape, canvas.axes)
        self.is_doubtful = num_channels > steps

    # === Samples ===

    def in_unit_range(
        self, samples: Tensor, value_range: ValueRange | None, dtype: str
    ) -> Tensor:
        # In float32 at least: in lower precision small differences are zero.
        wide = keras.backend.result_type(dtype, "float32")
        if self.scaling != "value_range":
            return ops.cast(samples, wide)
        samples = sample_range.in_unit_range(samples, value_range, wide)
        return ops.clip(samples, 0.0, 1.0)

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        sample_shape = sizes_in_trace(samples)
        if len(sample_shape) == 1:
            series = ops.expand_dims(samples, -1)
        elif axes.data_format == "channels_first":
            series = ops.transpose(samples, (0, 2, 1))
        else:
            series = samples
        before, after = self.series_shapes(sample_shape, canvas_shape, axes)
        series = self.scaled(resampled(series, before[0], 1))
        series = self.inner.place(series, after, SERIES_AXES)
        steps, num_channels = after
        series = ops.reshape(ops.transpose(series, (0, 2, 1)), (-1, steps))
        layout = self.layout(num_channels, canvas_shape, axes)
        pictures = self.drawing.draw(series, layout.picture_sizes)
        canvas = layout.arranged(pictures)
        if axes.channel is None:
            return ops.squeeze(canvas, 1)
        return canvas if axes.channel == 0 else ops.moveaxis(canvas, 1, 3)

    def scaled(self, series: Tensor) -> Tensor:
        """Returns series `[N, steps, channels]` in the unit range."""
        if self.scaling == "value_range":
            return series
        over = 1 if self.scaling == "channel" else (1, 2)
        low = ops.min(series, axis=over, keepdims=True)
        high = ops.max(series, axis=over, keepdims=True)
        span = ops.subtract(high, low)
        # Where a series is constant, its values differ by rounding alone.
        smallest = ops.multiply(
            ops.maximum(ops.abs(low), ops.abs(high)), SMALLEST_SPAN
        )
        span = ops.where(span > smallest, span, ops.ones_like(span))
        return ops.divide(ops.subtract(series, low), span)

    def mask_pattern(
        self,
        pattern: Tensor,
        sample_shape: Shape,
        canvas_shape: FixedShape,
        axes: Axes,
    ) -> Tensor:
        return pattern

    def doubtful_range(
        self, samples: np.ndarray, value_range: ValueRange | None
    ) -> str | None:
        if self.is_doubtful:
            return (
                "Series have more channels than steps: if the samples of shape "
                f"{samples.shape[1:]} are in another order, swap their axes."
            )
        if self.scaling != "value_range":
            return None
        return sample_range.doubtful_range(samples, value_range or (0.0, 1.0))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "drawing": keras.saving.serialize_keras_object(self.drawing),
            "channels": self.channels,
            "scaling": self.scaling,
        }


def series_shape(sample_shape: Shape, axes: Axes) -> tuple[int, int]:
    """Returns the number of steps and of channels of a sample."""
    length, *others = known_sizes(sample_shape) or (1,)
    num_channels = others[0] if others else 1
    if others and axes.data_format == "channels_first":
        return num_channels, length
    return length, num_channels


DRAWINGS: dict[str, type[SeriesDrawing]] = {
    "difference": DifferenceMatrix,
    "recurrence": RecurrencePlot,
    "gramian": GramianField,
    "spectrogram": Spectrogram,
}


def get(identifier: str | dict[str, Any] | SeriesDrawing) -> SeriesDrawing:
    """Returns a drawing from a name, a config or a drawing."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, str) and identifier in DRAWINGS:
        return DRAWINGS[identifier]()
    if isinstance(identifier, SeriesDrawing):
        return identifier
    raise ValueError(
        f"`drawing` must be one of {sorted(DRAWINGS)} or a "
        f"`keras_reprogram.inputs.SeriesDrawing`. Received: {identifier!r}"
    )


def choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Returns a checked string."""
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {choices}. Received: {name}={value!r}"
        )
    return value
