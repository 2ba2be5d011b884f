"""From a target sample to what the source expects."""

import contextlib
import warnings
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import optional
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images import patterns
from keras_reprogram.inputs.images import placement as placements
from keras_reprogram.inputs.images.axes import DATA_FORMATS
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.patterns import Pattern
from keras_reprogram.inputs.images.placement import Placement
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape

PIXELS = 255.0
# Share of the values that may lie outside of their range by design, as those of
# standardized features do, and of the range by which all may, as by rounding.
MOST_OUTSIDE = 0.01
# Floats that stay within this part of the range were scaled before.
SMALL_PART = 64
# Whole numbers as large as this are sound that was not scaled.
LOUDEST = 1000


@serializable
class InputReprogrammer(InputTransformation):
    """Places a sample on the source's canvas and adds a learned pattern.

    With `x` mapped from `value_range` to `[0, 1]`, the layer computes

    ```
    x' = place(x) + M * activation(theta)
    ```

    and returns `x'` in the source's own scaling. The sample may have any
    rank: an image, a spectrogram, a series with channels, a waveform. One
    gray channel is repeated for a source of several channels.

    Example:

    ```python
    digits = np.random.randint(0, 256, size=(2, 28, 28, 1), dtype="uint8")
    reprogrammer = keras_reprogram.InputReprogrammer(
        target_shape=(28, 28, 1), source_shape=(96, 96, 3)
    )
    reprogrammer(digits).shape  # (2, 96, 96, 3)
    ```

    Args:
        target_shape: Shape of a sample without the batch axis. Left out, the
            layer takes images of any size, gray or in color.
        source_shape: Shape of the source's input without the batch axis.
            Left out, `ReprogrammedModel` takes it from the source.
        placement: `"resize"`, `"pad"`, `"tile"`, or a
            `keras_reprogram.inputs.Placement`.
        pattern: A `keras_reprogram.inputs.Pattern`; the name of a region,
            for a universal pattern there; or `None` for no pattern.
        value_range: Lowest and highest value of a sample: `(0, 255)`,
            `(0, 1)`. `None` takes the values as they are, as for series and
            waveforms.
        scale: The source's scaling of a sample in `value_range`, as in
            `keras.layers.Rescaling`: a number, or one for each channel.
            Left out, `ReprogrammedModel` takes it from a KerasHub source;
            other sources receive samples in `value_range`.
        offset: Added after `scale`, likewise.
        normalize_first: Whether the sample is scaled for the source before
            the pattern is added, instead of after it. `theta` is then in the
            source's units, and the canvas around the data is zero there.
        clip: Whether the sum is clipped to the valid range.
        augmentation: A Keras layer that changes samples in training, before
            they are placed: a `RandomShift`, a `keras.layers.RandomFlip`, or
            a `keras.Sequential` of some. Layers that Keras does not compile,
            `RandomRotation`, `RandomTranslation` and `RandomZoom` among them,
            make steps slow, on JAX above all: put those into the data set.
        data_format: `"channels_last"`, `"channels_first"`, or
            `"no_channels"`. Samples of one axis have no channels. Defaults
            to `keras.config.image_data_format()`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Samples of shape `(batch, *target_shape)`, of any integer or
            floating point dtype.
        training: Whether the augmentation is at work.

    Returns:
        A tensor of shape `(batch, *source_shape)` in the compute dtype.

    Raises:
        ValueError: If a shape, a range or an identifier is not valid, or the
            sample does not fit on the canvas.

    References:
        - [Adversarial Reprogramming](https://arxiv.org/abs/1806.11146)
        - [Model Reprogramming, a survey](https://arxiv.org/abs/2202.10629)
    """

    def __init__(
        self,
        target_shape: Sequence[int] | None = None,
        source_shape: Sequence[int] | None = None,
        placement: str | Placement = "resize",
        pattern: str | Pattern | None = "everywhere",
        value_range: Sequence[float] | None = (0, 255),
        scale: float | Sequence[float] | None = None,
        offset: float | Sequence[float] | None = None,
        normalize_first: bool = False,
        clip: bool = False,
        augmentation: keras.layers.Layer | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        # Whole numbers and large values are not cast down before they are in
        # the unit range.
        super().__init__(**{"autocast": False, **kwargs})
        self.target_shape = check_shape("target_shape", target_shape)
        self.source_shape = check_shape("source_shape", source_shape)
        self.placement = placements.get(placement)
        self.pattern = patterns.get(pattern)
        self.value_range = check_value_range(value_range)
        self.scale = check_scaling("scale", scale)
        self.offset = check_scaling("offset", offset)
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
        if self.placement.reads_tokens:
            self.sample_dtype = "int32"
            if self.normalize_first:
                raise ValueError(
                    "Tokens are not values that could be normalized first. "
                    "Received: normalize_first=True"
                )
        if clip and value_range is None:
            raise ValueError(
                "`clip=True` needs a `value_range` to clip to. Received: "
                "value_range=None"
            )
        self.completed_with: tuple | None = None
        self.has_warned = False
        self.accept_target_shape()

    def accept_target_shape(self) -> None:
        if self.target_shape is not None:
            self.input_spec = keras.layers.InputSpec(
                shape=(None, *self.target_shape)
            )

    def complete(self, specification: SourceSpecification) -> None:
        accepted_shape = specification.accepted_shape
        preferred_shape = specification.preferred_shape
        pixel_scale = specification.pixel_scale
        pixel_offset = specification.pixel_offset
        source = repr((accepted_shape, preferred_shape))
        source += repr(np.asarray((pixel_scale, pixel_offset), object).tolist())
        if self.completed_with not in (None, source):
            raise ValueError(
                "This `InputReprogrammer` was completed for a source of "
                "another shape or scaling: make a new one for this source. "
                f"Received: source_shape={self.source_shape}, for a source "
                f"that takes {accepted_shape}"
            )
        self.completed_with = source
        known = self.source_shape or preferred_shape
        if len(known) != len(accepted_shape) or any(
            size not in (None, wanted)
            for size, wanted in zip(accepted_shape, known)
        ):
            raise ValueError(
                "`source_shape` must be a shape that the source takes: "
                f"{accepted_shape}. Received: source_shape={self.source_shape}"
            )
        if None in known:
            raise ValueError(
                "The source takes inputs of any size: pass `source_shape` to "
                f"the `InputReprogrammer`. Received: source shape={known}"
            )
        self.source_shape = tuple(known)
        axes = Axes(len(known), self.data_format)
        if self.target_shape is None:
            self.target_shape = (None,) * len(known)
            self.accept_target_shape()
        self.placement.check(self.target_shape, self.source_shape, axes)
        given = self.scale is not None or self.offset is not None
        if given or self.value_range is None or pixel_scale is None:
            return
        low, high = self.value_range
        scale = np.multiply(pixel_scale, PIXELS / (high - low))
        self.scale = scale.tolist()
        self.offset = np.subtract(pixel_offset, scale * low).tolist()
        if self.built:
            self.fold_scaling()

    def check_values(self, samples: np.ndarray) -> None:
        self.placement.check_values(samples)
        if self.has_warned or self.placement.reads_tokens or not samples.size:
            return
        doubt = doubtful_range(samples, self.value_range)
        if doubt:
            self.has_warned = True
            warnings.warn(doubt, stacklevel=2)

    def valid(self, samples: Any) -> Any:
        return self.placement.valid(samples)

    @property
    def valid_values(self) -> str:
        return self.placement.valid_values

    def check_sample_shape(self, shape: Shape) -> None:
        if self.source_shape is not None:
            axes = Axes(len(self.source_shape), self.data_format)
            self.placement.check(shape, self.source_shape, axes)

    def build(self, input_shape: Shape) -> None:
        if self.source_shape is None:
            raise ValueError(
                "An `InputReprogrammer` used by itself needs a "
                "`source_shape`. Received: source_shape=None"
            )
        self.axes = Axes(len(self.source_shape), self.data_format)
        sample_shape = tuple(input_shape[1:])
        self.placement.check(sample_shape, self.source_shape, self.axes)
        if None in sample_shape and len(self.axes.spatial) != 2:
            raise ValueError(
                "Only images may be of any size: pass `target_shape`. "
                f"Received: samples of shape {sample_shape}"
            )
        data_mask = self.placement.data_mask(
            sample_shape, self.source_shape, self.axes
        )
        if self.pattern is not None:
            if self.pattern.built:
                raise ValueError(
                    "A pattern is learned for one `InputReprogrammer`: make a "
                    "new one for this. Received: pattern="
                    f"{self.pattern.name}, which another one has"
                )
            self.pattern.build_on(self.source_shape, self.axes, data_mask)
        self.fold_scaling()

    def fold_scaling(self) -> None:
        """Folds the value range and the source's scaling into one step."""
        channels = self.axes.channels(self.source_shape)
        check_scaling("scale", self.scale, channels)
        check_scaling("offset", self.offset, channels)
        low, high = self.value_range or (0.0, 1.0)
        scale = np.asarray(1.0 if self.scale is None else self.scale)
        offset = np.asarray(0.0 if self.offset is None else self.offset)
        # `x' in [0, 1]` to the source's units, in one step.
        self.gain = self.axes.along_channels(scale * (high - low))
        self.bias = self.axes.along_channels(scale * low + offset)

    def get_build_config(self) -> dict[str, Any] | None:
        # A pattern that looks at the source is built by the model, with it.
        return None if self.uses_source else super().get_build_config()

    def call(self, inputs: Any, training: bool = False) -> Any:
        canvas = self.unclipped(inputs, training)
        if not self.clip:
            return canvas
        low, high = (
            ops.cast(bound, self.compute_dtype) for bound in self.valid_range()
        )
        return ops.minimum(ops.maximum(canvas, low), high)

    def unclipped(self, inputs: Any, training: bool = False) -> Any:
        """The sum of sample and pattern, in the source's units."""
        self.check_sample_shape(tuple(inputs.shape[1:]))
        if self.augmentation is not None:
            inputs = self.augmentation(inputs, training=training)
        canvas = inputs
        if not self.placement.reads_tokens:
            canvas = self.in_unit_range(inputs)
        if self.normalize_first:
            canvas = self.normalize(canvas)
        canvas = self.placement.place(canvas, self.source_shape, self.axes)
        # Resizing, and a pattern of a wider dtype, may widen the canvas.
        canvas = ops.cast(canvas, self.compute_dtype)
        if self.pattern is None:
            canvas = canvas if self.normalize_first else self.normalize(canvas)
            return self.broadcast(canvas)
        pattern = self.pattern(self.broadcast(canvas))
        pattern = ops.cast(pattern, self.compute_dtype)
        pattern = self.placement.mask_pattern(
            pattern, self.source_shape, self.axes
        )
        if not self.normalize_first:
            # Each by itself: a pattern is mostly one canvas, not a batch.
            canvas = self.scaled(canvas)
            pattern = self.normalize(pattern)
        return self.broadcast(ops.add(canvas, pattern))

    def in_unit_range(self, samples: Any) -> Any:
        if self.value_range is None:
            return ops.cast(samples, self.compute_dtype)
        # In float32 at least: 65,535 is infinite in float16.
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        low, high = self.value_range
        samples = (ops.cast(samples, dtype) - low) / (high - low)
        return ops.cast(samples, self.compute_dtype)

    def broadcast(self, canvas: Any) -> Any:
        """Repeats a gray channel for a source of several channels."""
        return ops.broadcast_to(
            canvas, (ops.shape(canvas)[0], *self.source_shape)
        )

    def connect(self, source: Callable[[Any], Any], num_outputs: int) -> None:
        def encode(canvas: Any) -> Any:
            inputs = canvas if self.normalize_first else self.normalize(canvas)
            return source(inputs)

        if self.pattern is not None:
            self.pattern.connect(encode, num_outputs)

    @property
    def uses_source(self) -> bool:
        return self.pattern is not None and self.pattern.uses_source

    def same_samples(self) -> contextlib.AbstractContextManager:
        # A trained placement shows each pattern another canvas.
        moves = getattr(self.placement, "trainable_weights", ())
        if self.pattern is None or moves:
            return contextlib.nullcontext()
        return self.pattern.same_samples()

    def normalize(self, values: Any) -> Any:
        bias = ops.cast(self.bias, self.compute_dtype)
        return ops.add(self.scaled(values), bias)

    def scaled(self, values: Any) -> Any:
        return ops.multiply(values, ops.cast(self.gain, self.compute_dtype))

    def valid_range(self) -> np.ndarray:
        """Lowest and highest value in the source's units, by channel."""
        bounds = np.stack([self.bias, self.gain + self.bias])
        return np.stack([bounds.min(axis=0), bounds.max(axis=0)])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], *self.source_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "target_shape": self.target_shape,
            "source_shape": self.source_shape,
            "placement": keras.saving.serialize_keras_object(self.placement),
            "pattern": keras.saving.serialize_keras_object(self.pattern),
            "value_range": self.value_range,
            "scale": self.scale,
            "offset": self.offset,
            "normalize_first": self.normalize_first,
            "clip": self.clip,
            "augmentation": keras.saving.serialize_keras_object(
                self.augmentation
            ),
            "data_format": self.data_format,
        }


def check_shape(name: str, shape: Sequence[int] | None) -> Shape | None:
    if shape is None:
        return None
    sizes = shape if isinstance(shape, (tuple, list)) else ()
    if not sizes or not all(
        size is None or (integer(size) or 0) > 0 for size in sizes
    ):
        raise ValueError(
            f"`{name}` must be a tuple of positive integers, without the "
            f"batch axis. Received: {name}={shape!r}"
        )
    return tuple(size and integer(size) for size in sizes)


def doubtful_range(
    samples: np.ndarray, value_range: tuple[float, float] | None
) -> str | None:
    """What is strange about samples in this range, in words."""
    lowest, highest = float(samples.min()), float(samples.max())
    seen = f"values from {lowest:g} to {highest:g} of dtype {samples.dtype}"
    whole = samples.dtype.kind in "iu"
    if value_range is None:
        if (
            not whole
            or samples.dtype.itemsize < 2
            or (max(-lowest, highest) < LOUDEST)
        ):
            return None
        return (
            f"Samples are passed to the source as they are, {seen}: a source "
            "of sound takes values from -1 to 1, so divide int16 by 32768, or "
            "pass `value_range` and `scale`."
        )
    low, high = value_range
    span = high - low
    slack = MOST_OUTSIDE * span
    outside = (samples < low - slack) | (samples > high + slack)
    if (
        lowest < low - span
        or highest > high + span
        or outside.mean() > MOST_OUTSIDE
    ):
        return (
            f"Samples lie outside of `value_range={value_range}`: {seen}. Pass "
            "the lowest and the highest value that a sample may have."
        )
    part = 1.0 if whole else span / SMALL_PART
    if span >= 10 and -part <= lowest < highest <= part:
        return (
            f"Samples lie in a small part of `value_range={value_range}`: "
            f"{seen}. Pass the range that they were scaled to, as "
            "`value_range=(0, 1)`, or the samples before that."
        )
    return None


def check_value_range(
    value_range: Sequence[float] | None,
) -> tuple[float, float] | None:
    if value_range is None:
        return None
    bounds = np.asarray(value_range)
    if (
        bounds.dtype.kind not in "iuf"
        or bounds.shape != (2,)
        or not np.isfinite(bounds).all()
        or not bounds[0] < bounds[1]
    ):
        raise ValueError(
            "`value_range` must be the lowest and the highest value of a "
            f"sample, or `None`. Received: value_range={value_range!r}"
        )
    return (float(bounds[0]), float(bounds[1]))


def check_scaling(
    name: str,
    values: float | Sequence[float] | None,
    channels: int | None = None,
) -> float | list[float] | None:
    """Returns a scale or an offset as a number or a list of them."""
    if values is None:
        return None
    array = np.asarray(values)
    if (
        array.dtype.kind not in "iuf"
        or array.ndim > 1
        or not np.isfinite(array).all()
        or (array.ndim and channels not in (None, array.size))
    ):
        raise ValueError(
            f"`{name}` must be a finite number, or one for each channel of "
            f"the source's input. Received: {name}={values!r}"
        )
    return array.astype(float).tolist()
