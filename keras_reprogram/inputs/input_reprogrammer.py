"""The layer that converts samples to inputs of the source."""

import contextlib
import dataclasses
import warnings
import weakref
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import optional
from keras_reprogram.configurable import serializable
from keras_reprogram.dtypes import is_float
from keras_reprogram.inputs.images import patterns
from keras_reprogram.inputs.images import placements
from keras_reprogram.inputs.images.augmentation import RandomShift
from keras_reprogram.inputs.images.axes import DATA_FORMATS
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.axes import sizes_in_trace
from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.inputs.images.canvas_settings import CanvasSettings
from keras_reprogram.inputs.images.canvas_settings import check_shape
from keras_reprogram.inputs.images.canvas_settings import compared
from keras_reprogram.inputs.images.missing_on_canvas import check_series
from keras_reprogram.inputs.images.missing_on_canvas import filled
from keras_reprogram.inputs.images.missing_on_canvas import interpolated_in_time
from keras_reprogram.inputs.images.missing_on_canvas import marks_of_missing
from keras_reprogram.inputs.images.missing_on_canvas import missing_again
from keras_reprogram.inputs.images.missing_on_canvas import partly_known_rows
from keras_reprogram.inputs.images.missing_on_canvas import (
    without_missing_values,
)
from keras_reprogram.inputs.images.pattern import Pattern
from keras_reprogram.inputs.images.placement import Placement
from keras_reprogram.inputs.images.scaling import Scaling
from keras_reprogram.inputs.images.scaling import check_factors
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.inputs.sample_range import check_value_range
from keras_reprogram.inputs.sample_range import check_waveforms
from keras_reprogram.inputs.series.missing_values import INTERPOLATE
from keras_reprogram.inputs.series.missing_values import MASK
from keras_reprogram.inputs.series.missing_values import MISSING_ON_CANVAS
from keras_reprogram.inputs.series.missing_values import ZERO
from keras_reprogram.inputs.series.missing_values import check_missing_values
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_new
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class InputReprogrammer(InputTransformation):
    """Places a sample on the source's canvas and adds a learned pattern.

    With `x` mapped from `value_range` to `[0, 1]`, the layer computes

    ```
    x' = place(x) + M * activation(theta)
    ```

    and returns `x'` in the source's own scaling. The sample may have any rank:
    an image, a spectrogram, a series with channels, a waveform. One gray
    channel is repeated for a source with several channels.

    Example:

    ```python
    digits = np.random.randint(0, 256, size=(2, 28, 28, 1), dtype="uint8")
    reprogrammer = keras_reprogram.InputReprogrammer(
        target_shape=(28, 28, 1), source_shape=(96, 96, 3)
    )
    reprogrammer(digits).shape  # (2, 96, 96, 3)
    ```

    Args:
        target_shape: Tuple. Shape of a sample without the batch axis. Defaults
            to images of any size, gray or in color.
        source_shape: Tuple. Shape of the source's input without the batch axis.
            Defaults to the shape that `ReprogrammedModel` infers from the
            source.
        placement: String or `keras_reprogram.inputs.Placement`. `"resize"`,
            `"pad"` or `"tile"` by name. Defaults to `"resize"`.
        pattern: `keras_reprogram.inputs.Pattern`, string or `None`. A string is
            the name of a region, for a universal pattern there; `None` is no
            pattern. Defaults to `"everywhere"`.
        value_range: Tuple of two numbers. Lowest and highest value of a sample.
            `None` keeps the values unchanged, as for series and waveforms.
            Defaults to `(0, 255)`.
        scale: Float, or list of one for each channel. The source's scaling of a
            sample in `value_range`, as in `keras.layers.Rescaling`. Defaults to
            the scaling of a KerasHub source; other sources receive samples in
            `value_range`.
        offset: Float, or list of one for each channel. Added after `scale`.
            Defaults to the offset of a KerasHub source.
        normalize_first: Boolean. Whether the sample is scaled for the source
            before the pattern is added, not after. `theta` and the empty
            canvas, which is zero, are then in the source's units. Defaults to
            `False`.
        clip: Boolean. Whether the sum is clipped to the valid range. Defaults
            to `False`.
        augmentation: Keras layer, applied to samples in training before they
            are placed: a `RandomShift`, a `keras.layers.RandomFlip`, or a
            `keras.Sequential` of several. Layers that Keras does not compile,
            such as `RandomRotation`, `RandomTranslation` and `RandomZoom`, slow
            training down, especially on JAX: apply them in the data set.
            Defaults to `None`.
        data_format: String. `"channels_last"`, `"channels_first"`, or
            `"no_channels"`. Samples of one axis have no channels. Defaults to
            `keras.config.image_data_format()`.
        missing_values: String. What to do with NaN in samples, which marks
            missing values: `"interpolate"` replaces those of a series,
            `(length,)` or with channels, by values on the line between their
            neighbors in time. `"zero"` replaces those of any sample by 0,
            silence in a waveform. `"mask"` returns NaN wherever one has a share
            in the canvas, for a source that accepts NaN, such as
            `keras_reprogram.sources.AudioSource`; the pattern has no effect
            and no gradient there. Defaults to `None`, for a `ValueError`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Samples of shape `(batch, *target_shape)`, of any integer or
            floating point dtype.
        training: Boolean. Whether to apply the augmentation. Defaults to
            `None`.

    Returns:
        A tensor of shape `(batch, *source_shape)` in the compute dtype.

    Raises:
        ValueError: If a shape, a range or an identifier is not valid, or the
            sample does not fit on the canvas.

    References:
        - [Adversarial Reprogramming](https://arxiv.org/abs/1806.11146)
        - [Model Reprogramming, a survey](https://arxiv.org/abs/2202.10629)
    """

    program_objects = {
        "placement": Placement,
        "pattern": Pattern,
        "augmentation": RandomShift,
    }
    program_strings = {
        "data_format": DATA_FORMATS,
        "missing_values": MISSING_ON_CANVAS,
    }

    def __init__(
        self,
        target_shape: Sequence[int | None] | None = None,
        source_shape: Sequence[int | None] | None = None,
        placement: str | Placement = "resize",
        pattern: str | Pattern | None = "everywhere",
        value_range: Sequence[float] | None = (0, 255),
        scale: float | Sequence[float] | None = None,
        offset: float | Sequence[float] | None = None,
        normalize_first: bool = False,
        clip: bool = False,
        augmentation: keras.layers.Layer | None = None,
        data_format: str | None = None,
        missing_values: str | None = None,
        **kwargs: Any,
    ) -> None:
        # Without autocast, integers and large values are scaled before they are
        # cast to a lower precision.
        super().__init__(**{"autocast": False, **kwargs})
        self.target_shape = check_shape("target_shape", target_shape)
        self.source_shape = check_shape("source_shape", source_shape)
        self.placement = placements.get(placement)
        self.pattern = patterns.get(pattern)
        self.value_range = check_value_range(value_range)
        self.scale = check_factors("scale", scale)
        self.offset = check_factors("offset", offset)
        self.normalize_first = boolean("normalize_first", normalize_first)
        self.clip = boolean("clip", clip)
        self.augmentation = optional(
            "augmentation",
            augmentation,
            keras.layers.Layer,
            "a Keras layer, such as `keras.layers.RandomFlip()`",
        )
        self.data_format = data_format or keras.config.image_data_format()
        if self.data_format not in DATA_FORMATS:
            raise ValueError(
                f"`data_format` must be one of {DATA_FORMATS}. Received: "
                f"data_format={data_format!r}"
            )
        self.sample_dtype = self.placement.sample_dtype
        self.canvas_range = self.placement.canvas_range(self.value_range)
        # The canvas has a range although the samples have none.
        draws = self.placement.canvas_range(None) is not None
        if draws and self.normalize_first:
            raise ValueError(
                "Tokens, and series that are drawn, cannot be normalized "
                "before the pattern is added. Received: normalize_first=True"
            )
        self.missing_values = check_missing_values(
            missing_values, MISSING_ON_CANVAS
        )
        if (self.missing_values == MASK and draws) or (
            self.missing_values is not None and self.sample_dtype is not None
        ):
            raise ValueError(
                "Tokens have no missing values, and series that are drawn "
                'leave none on the canvas: for series, use "interpolate" or '
                '"zero". '
                f"Received: missing_values={missing_values!r}"
            )
        if clip and self.canvas_range is None:
            raise ValueError(
                "`clip=True` needs a `value_range` to clip to. Received: "
                "value_range=None"
            )
        self.settings = CanvasSettings(
            self.target_shape, self.source_shape, self.scale, self.offset
        )
        self.source_compared: tuple[object, ...] | None = None
        self.source_used: weakref.ref[Any] | None = None
        self.is_resolved = False
        self.takes_waveforms = False
        self.has_warned = False
        self._accept_sample_shape()

    # === The source ===

    def resolve(
        self,
        specification: SourceSpecification,
        source: Callable[[Tensor], Tensor],
    ) -> None:
        if specification.num_tokens is not None:
            raise ValueError(
                "This source takes the IDs of tokens: pass a "
                "`TokenReprogrammer`. Received: an `InputReprogrammer`"
            )
        self._check_accepts_missing(specification)
        found = compared(specification)
        if self.source_compared not in (None, found):
            raise ValueError(
                "This `InputReprogrammer` was resolved for a source of "
                "another shape or scaling: make a new one for this source. "
                f"Received: source_shape={self.settings.canvas_shape}, for a "
                f"source that takes {specification.accepted_shape}"
            )
        source_used = None
        if self.uses_source:
            source_used = weakref.ref(getattr(source, "source", source))
        if self.source_used not in (None, source_used):
            raise ValueError(
                "The pattern of this `InputReprogrammer` reads the outputs of "
                "another source: make a new one for this source. Received: "
                f"pattern={self.pattern!r}"
            )
        settings = self.settings.completed(specification, self.canvas_range)
        self.placement.check(
            settings.sample_shape or (),
            settings.known_canvas_shape,
            Axes(len(settings.known_canvas_shape), self.data_format),
        )
        self.source_compared, self.is_resolved = found, True
        self.takes_waveforms = specification.sampling_rate is not None
        self.source_used = source_used
        self._take_settings(settings)

        def encode(canvas: Tensor) -> Tensor:
            return source(
                canvas if self.normalize_first else self.normalized(canvas)
            )

        if self.pattern is not None:
            self.pattern.connect(encode, specification.num_classes)

    def _check_accepts_missing(
        self, specification: SourceSpecification
    ) -> None:
        is_masked = self.missing_values == MASK
        if is_masked and not specification.accepts_missing_values:
            raise ValueError(
                '`missing_values="mask"` needs a source that accepts NaN, such '
                'as an `AudioSource`; for others, there is "zero" and, for '
                'series, "interpolate". '
                "Received: a source that takes finite inputs of shape "
                f"{specification.accepted_shape}"
            )

    def _take_settings(self, settings: CanvasSettings) -> None:
        self.settings = settings
        self._accept_sample_shape()
        if self.built:
            self.scaling = self._folded_scaling()

    def _accept_sample_shape(self) -> None:
        if self.settings.sample_shape is not None:
            self.input_spec = keras.layers.InputSpec(
                shape=(None, *self.settings.sample_shape)
            )

    @property
    def canvas_shape(self) -> FixedShape:
        """Shape of the source's input, without the batch axis."""
        return self.settings.known_canvas_shape

    @property
    def sample_shape(self) -> Shape:
        return self.settings.sample_shape or (None,) * len(self.canvas_shape)

    @property
    def axes(self) -> Axes:
        """The spatial and channel axes of the canvas."""
        return Axes(len(self.canvas_shape), self.data_format)

    @property
    def uses_source(self) -> bool:
        return self.pattern is not None and self.pattern.uses_source

    # === Samples ===

    def check_sample_shape(self, shape: Shape) -> None:
        if self.settings.canvas_shape is not None:
            self.placement.check(shape, self.canvas_shape, self.axes)
        if self.missing_values == INTERPOLATE:
            check_series(shape, self.data_format)

    def check_values(self, samples: np.ndarray) -> None:
        self.placement.check_values(samples)
        if self.missing_values is not None:
            samples = without_missing_values(samples)
        # A source of another scaling than KerasHub's receives samples as they
        # are, whatever their `value_range` is.
        unscaled = self.scale is None and self.offset is None
        if self.takes_waveforms and unscaled:
            check_waveforms(samples)
        if self.has_warned:
            return
        doubt = self.placement.doubtful_range(samples, self.value_range)
        if doubt:
            self.has_warned = True
            warnings.warn(doubt, stacklevel=2)

    def valid(self, samples: Tensor) -> Tensor | None:
        if self.missing_values is not None:
            return partly_known_rows(samples)
        return self.placement.valid(samples)

    @property
    def valid_values(self) -> str:
        if self.missing_values is not None:
            return "finite numbers, or NaN for some that are missing"
        return self.placement.valid_values

    # === The layer ===

    def build(self, input_shape: Shape) -> None:
        sample_shape = tuple(input_shape[1:])
        canvas_shape, axes = self.canvas_shape, self.axes
        self.placement.check(sample_shape, canvas_shape, axes)
        if None in sample_shape and len(axes.spatial) != 2:
            raise ValueError(
                "Only images may be of any size: pass `target_shape`. "
                f"Received: samples of shape {sample_shape}"
            )
        canvas = Canvas(
            canvas_shape,
            axes,
            self.placement.data_mask(sample_shape, canvas_shape, axes),
            sample_shape,
        )
        for part in (self.placement, self.pattern):
            if part is not None:
                check_new(part)
        self.placement.build_on(canvas)
        if self.pattern is not None:
            self.pattern.build_on(canvas)
        self.scaling = self._folded_scaling()

    def _folded_scaling(self) -> Scaling:
        """Returns the value range and the source's scaling as one step."""
        channels = self.axes.channels(self.canvas_shape)
        return Scaling.of_range(
            self.canvas_range,
            check_factors("scale", self.settings.scale, channels),
            check_factors("offset", self.settings.offset, channels),
            self.axes,
        )

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        self.check_sample_shape(sizes_in_trace(inputs))
        if self.augmentation is not None:
            inputs = self.augmentation(inputs, training=training)
        if self.missing_values is None or not is_float(inputs):
            return self._without_missing(inputs)
        if self.missing_values == INTERPOLATE:
            series = interpolated_in_time(inputs, self.data_format)
            return self._without_missing(series)
        if self.missing_values == ZERO:
            return self._without_missing(filled(inputs, None))
        marks = self.placement.place(
            marks_of_missing(inputs), self.canvas_shape, self.axes
        )
        canvas = self._without_missing(filled(inputs, self.value_range))
        return missing_again(canvas, marks)

    def _without_missing(self, inputs: Tensor) -> Tensor:
        """Returns the canvases of samples of known values."""
        canvas = self.unclipped(inputs)
        if self.clip:
            return self.scaling.clip(canvas, self.compute_dtype)
        return canvas

    def unclipped(self, inputs: Tensor) -> Tensor:
        """Returns the sum of sample and pattern, in the source's units."""
        sample_shape = tuple(inputs.shape[1:])
        canvas = self.placement.in_unit_range(
            inputs, self.value_range, self.compute_dtype
        )
        if self.normalize_first:
            canvas = self.normalized(canvas)
        shape, axes = self.canvas_shape, self.axes
        canvas = self.placement.place(canvas, shape, axes)
        # Resizing, and a pattern of a wider dtype, may widen the canvas.
        canvas = ops.cast(canvas, self.compute_dtype)
        if self.pattern is None:
            if not self.normalize_first:
                canvas = self.normalized(canvas)
            return self.broadcast(canvas)
        pattern = self.pattern(self.broadcast(canvas))
        pattern = ops.cast(pattern, self.compute_dtype)
        pattern = self.placement.mask_pattern(
            pattern, sample_shape, shape, axes
        )
        if not self.normalize_first:
            # Scale both separately, because most patterns have no batch axis.
            canvas = self.scaling.scale(canvas, self.compute_dtype)
            pattern = self.normalized(pattern)
        return self.broadcast(ops.add(canvas, pattern))

    def normalized(self, values: Tensor) -> Tensor:
        """Returns values of the unit range in the source's units."""
        return self.scaling.apply(values, self.compute_dtype)

    def broadcast(self, canvas: Tensor) -> Tensor:
        """Repeats a gray channel for a source of several channels."""
        return ops.broadcast_to(
            canvas, (ops.shape(canvas)[0], *self.canvas_shape)
        )

    @contextlib.contextmanager
    def same_samples(self) -> Iterator[None]:
        # A trained placement places samples differently in each program.
        if self.pattern is None or self.placement.is_trained:
            yield
        else:
            with self.pattern.same_samples():
                yield

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], *self.canvas_shape)

    # === Saving ===

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "target_shape": self.target_shape,
            "source_shape": self.source_shape,
            "placement": serialize(self.placement),
            "pattern": serialize(self.pattern),
            "value_range": self.value_range,
            "scale": self.scale,
            "offset": self.offset,
            "normalize_first": self.normalize_first,
            "clip": self.clip,
            "augmentation": serialize(self.augmentation),
            "data_format": self.data_format,
            "missing_values": self.missing_values,
        }

    def resolved_config(self) -> dict[str, Any]:
        return {
            **super().resolved_config(),
            "target_shape": self.settings.sample_shape,
            "source_shape": self.settings.canvas_shape,
            "scale": self.settings.scale,
            "offset": self.settings.offset,
            "augmentation": None,
        }

    def resolved_state(self) -> dict[str, Any] | None:
        if not self.is_resolved:
            return None
        return dataclasses.asdict(self.settings)

    def restore_resolved(self, state: dict[str, Any]) -> None:
        self._take_settings(CanvasSettings.from_config(state))
        self.is_resolved = True

    @property
    def expected_inputs(self) -> Shape | None:
        return self.source_shape

    def expected_variables(
        self, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        for shape in (self.source_shape, self.target_shape):
            check_size(tuple(size or 1 for size in shape or ()), LARGEST_SAMPLE)
        self._check_accepts_missing(specification)
        settings = self.settings.completed(specification, self.canvas_range)
        sample_shape = settings.sample_shape or ()
        canvas_shape = settings.known_canvas_shape
        axes = Axes(len(canvas_shape), self.data_format)
        self.placement.check(sample_shape, canvas_shape, axes)
        variables = self.placement.expected_variables(
            sample_shape, canvas_shape, axes
        )
        if self.pattern is None:
            return variables
        data_mask = self.placement.data_mask(sample_shape, canvas_shape, axes)
        canvas = Canvas(canvas_shape, axes, data_mask, sample_shape)
        return variables + self.pattern.expected_variables(
            canvas, specification
        )

    def get_build_config(self) -> dict[str, Any] | None:
        # A pattern that uses the source is built by the model.
        return None if self.uses_source else super().get_build_config()
