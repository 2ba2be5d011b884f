"""The range of samples' values: settings, checks, and the unit range."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_reprogram.typing import Tensor

# Fraction of the values that may lie outside of their range by design, as those
# of standardized features do, and of the range by which all may, as by
# rounding.
MOST_OUTSIDE = 0.01
# Floats within this fraction of the range have probably been scaled already.
SMALL_PART = 64
# Integers as large as this are unscaled audio.
LOUDEST = 1000

# Floats as large as this are no waveforms in [-1, 1], standardized or not.
LOUDEST_FLOAT = 100

ValueRange = tuple[float, float]
PIXELS: ValueRange = (0.0, 255.0)


def check_value_range(value_range: Sequence[float] | None) -> ValueRange | None:
    """Returns a checked range as two floats, or `None`."""
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


def check_waveforms(samples: np.ndarray) -> None:
    """Raises a `ValueError` unless samples may be waveforms in [-1, 1]."""
    is_integer = samples.dtype.kind in "iu"
    largest = float(np.abs(samples.astype("float64")).max(initial=0.0))
    if is_integer or largest > LOUDEST_FLOAT:
        raise ValueError(
            "The source takes waveforms in [-1, 1]: convert recordings by "
            "`keras_reprogram.audio.to_waveforms`, or divide samples of 16 "
            "bits by 32768. Received: samples of dtype "
            f"{samples.dtype} up to {largest:g}"
        )


def in_unit_range(
    samples: Tensor, value_range: ValueRange | None, dtype: str
) -> Tensor:
    """Maps samples from their range to `[0, 1]`; without one, unchanged.

    Args:
        samples: Tensor of any dtype.
        value_range: Tuple of two floats, or `None`.
        dtype: String. The dtype of the result.
    """
    if value_range is None:
        return ops.cast(samples, dtype)
    # In float32 at least, because 65,535 is infinite in float16.
    wide = keras.backend.result_type(dtype, "float32")
    low, high = value_range
    samples = (ops.cast(samples, wide) - low) / (high - low)
    return ops.cast(samples, dtype)


def doubtful_range(
    samples: np.ndarray, value_range: ValueRange | None
) -> str | None:
    """Describes why samples are unlikely to have this range."""
    if not samples.size:
        return None
    lowest, highest = float(samples.min()), float(samples.max())
    seen = f"values from {lowest:g} to {highest:g} of dtype {samples.dtype}"
    is_integer = samples.dtype.kind in "iu"
    if value_range is None:
        if (
            not is_integer
            or samples.dtype.itemsize < 2
            or max(-lowest, highest) < LOUDEST
        ):
            return None
        return (
            f"Samples are passed to the source unchanged, {seen}: an audio "
            "source takes values from -1 to 1, so divide int16 by 32768, or "
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
            "the lowest and the highest possible value of a sample."
        )
    part = 1.0 if is_integer else span / SMALL_PART
    if span >= 10 and -part <= lowest < highest <= part:
        return (
            f"Samples lie in a small part of `value_range={value_range}`: "
            f"{seen}. Pass the range to which they were scaled, such as "
            "`value_range=(0, 1)`, or unscaled samples."
        )
    return None
