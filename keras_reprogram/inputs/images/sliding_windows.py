"""The placement that cuts a series into windows."""

from typing import Any

import numpy as np
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.axes import known_sizes
from keras_reprogram.inputs.images.axes import sizes_in_trace
from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.inputs.images.placement import Placement
from keras_reprogram.inputs.images.series_picture import SeriesPicture
from keras_reprogram.inputs.images.wrapped_placement import WrappedPlacement
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class SlidingWindows(WrappedPlacement):
    """Cuts a series into windows, and places each on a canvas of its own.

    With `W` windows of `w` steps at even distances, of a series of `n` steps,

    ```
    start_i = round(i * (n - w) / (W - 1))
    canvas[i] = inner(x[start_i : start_i + w])
    ```

    The first axis of the source's input is that of the windows, as in
    `keras_reprogram.sources.window_features`. A pattern is added to each of
    them, of its own. Windows of waveforms need a placement of waveforms, such
    as `inner="pad"`, and `data_format="no_channels"`.

    A picture of a whole series shows its shape. Pictures of its windows show
    short details wherever they are, which tell rhythms, recordings and
    other long series apart.

    Example:

    ```python
    reprogrammer = keras_reprogram.InputReprogrammer(
        target_shape=(2000,),
        source_shape=(16, 65, 65, 3),
        placement=keras_reprogram.inputs.SlidingWindows(256),
        value_range=None,
    )
    reprogrammer(np.zeros((2, 2000))).shape  # (2, 16, 65, 65, 3)
    ```

    Args:
        window: Integer. Number of steps of a window, at most as many as the
            series has.
        inner: String or `keras_reprogram.inputs.Placement`. Places each window,
            `(window,)` or `(window, channels)`, on its canvas. Defaults to
            `None`, a `SeriesPicture()`, which scales each window by its own
            lowest and highest value.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If the window is longer than the series, channels come
            first, or a window does not fit on its canvas.
    """

    def __init__(
        self,
        window: int,
        inner: str | Placement | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(SeriesPicture() if inner is None else inner, **kwargs)
        self.window = positive_integer("window", window)

    def _of_one_window(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> tuple[Shape, FixedShape, Axes]:
        """Returns the shapes and the axes that `inner` works on."""
        return (
            (self.window, *sample_shape[1:]),
            canvas_shape[1:],
            Axes(axes.rank - 1, axes.data_format),
        )

    # === Before training ===

    def check(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> None:
        received = (
            f"Received: samples of shape {sample_shape}, "
            f"source_shape={canvas_shape}, data_format={axes.data_format!r}"
        )
        if len(canvas_shape) < 2 or not sample_shape or None in sample_shape:
            raise ValueError(
                "`SlidingWindows` cuts series (steps,) or (steps, channels) of "
                "a known length for a source of several windows, such as "
                "`keras_reprogram.sources.window_features`. " + received
            )
        if axes.data_format == "channels_first" and len(sample_shape) > 1:
            raise ValueError(
                "`SlidingWindows` takes series (steps, channels): transpose "
                'the samples, and pass `data_format="channels_last"` and a '
                "source of that format. " + received
            )
        if len(canvas_shape) == 2 and axes.channel is not None:
            raise ValueError(
                "Windows on canvases of one axis, such as waveforms, have no "
                'channels: pass `data_format="no_channels"`. ' + received
            )
        if self.window > (sample_shape[0] or 0):
            raise ValueError(
                "`window` must be at most the number of steps of a series. "
                f"{received}, window={self.window}"
            )
        window = self._of_one_window(sample_shape, canvas_shape, axes)
        try:
            self.inner.check(*window)
        except ValueError as error:
            raise ValueError(
                "A window does not fit on its canvas. The first axis of the "
                "source's input is that of the windows: for a source of one "
                "input, pass `keras_reprogram.sources.window_features(source, "
                f"num_windows)`. {received}. {error}"
            ) from error

    def data_mask(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> np.ndarray:
        shapes = self._of_one_window(sample_shape, canvas_shape, axes)
        mask = self.inner.data_mask(*shapes)
        return np.repeat(mask[None], canvas_shape[0], axis=0)

    def expected_variables(
        self, sample_shape: Shape, canvas_shape: FixedShape, axes: Axes
    ) -> list[ExpectedVariable]:
        return self.inner.expected_variables(
            *self._of_one_window(sample_shape, canvas_shape, axes)
        )

    def build_on(self, canvas: Canvas) -> None:
        sample_shape, shape, axes = self._of_one_window(
            canvas.sample_shape, canvas.shape, canvas.axes
        )
        mask = self.inner.data_mask(sample_shape, shape, axes)
        super().build_on(Canvas(shape, axes, mask, sample_shape))

    # === Samples ===

    def starts(self, length: int, num_windows: int) -> list[int]:
        """Returns the first step of each window."""
        if num_windows == 1:
            return [(length - self.window) // 2]
        ends = np.linspace(0, length - self.window, num_windows)
        starts: list[int] = np.round(ends).astype(int).tolist()
        return starts

    def place(
        self, samples: Tensor, canvas_shape: FixedShape, axes: Axes
    ) -> Tensor:
        sample_shape = known_sizes(sizes_in_trace(samples)) or ()
        window_shape, shape, inner_axes = self._of_one_window(
            sample_shape, canvas_shape, axes
        )
        num_windows = canvas_shape[0]
        windows = ops.stack(
            [
                samples[:, start : start + self.window]
                for start in self.starts(sample_shape[0], num_windows)
            ],
            axis=1,
        )
        canvas = self.inner.place(
            ops.reshape(windows, (-1, *window_shape)), shape, inner_axes
        )
        return ops.reshape(canvas, (-1, num_windows, *canvas.shape[1:]))

    def mask_pattern(
        self,
        pattern: Tensor,
        sample_shape: Shape,
        canvas_shape: FixedShape,
        axes: Axes,
    ) -> Tensor:
        window_shape, shape, inner_axes = self._of_one_window(
            sample_shape, canvas_shape, axes
        )
        outer = pattern.shape[: -len(shape)]
        found = self.inner.mask_pattern(
            ops.reshape(pattern, (-1, *pattern.shape[-len(shape) :])),
            window_shape,
            shape,
            inner_axes,
        )
        rows = outer if len(outer) == 1 else (-1, *outer[1:])
        return ops.reshape(found, (*rows, *found.shape[1:]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "window": self.window}
