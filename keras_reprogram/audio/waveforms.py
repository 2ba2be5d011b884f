"""Waveforms at one rate, from arrays of any type, rate and length."""

import math
from collections.abc import Sequence
from typing import Any
from typing import TypeAlias

import numpy as np

from keras_reprogram.configurable import check_rate
from keras_reprogram.configurable import number
from keras_reprogram.optional_packages import optional_package
from keras_reprogram.typing import FixedShape

Waveforms: TypeAlias = np.ndarray[Any, Any]

# Zero and full scale of the types of integers that wav files hold.
FULL_SCALES = {"uint8": (128, 128), "int16": (0, 2**15), "int32": (0, 2**31)}
# A recording that was mixed too loud is above 1, but not by much.
LARGEST_FLOAT = 2.0
MOST_CHANNELS = 8


def to_waveforms(
    x: Any,
    sampling_rate: int,
    target_rate: int = 16000,
    seconds: float | None = None,
    padding_value: float = math.nan,
) -> Waveforms:
    """Converts recordings to mono waveforms of one rate and one length.

    Integers become floats in [-1, 1], channels their mean, and other rates are
    converted by `scipy.signal.resample_poly`, whose filter removes what the new
    rate cannot represent. Recordings of unequal length are padded at the end
    with NaN, which marks what is missing.

    Example:

    ```python
    stereo = np.zeros((44100, 2), "int16")  # 1 s
    mono = np.zeros(22050, "int16")  # 0.5 s
    x = keras_reprogram.audio.to_waveforms([stereo, mono], 44100)
    x.shape  # (2, 16000)
    np.isnan(x[1, 8000:]).all()  # True
    ```

    Args:
        x: One recording `(samples,)` or `(samples, channels)`; a list of
            recordings; or an array of them, `(recordings, samples)` or
            `(recordings, samples, channels)`, with NaN where a recording is
            over. Of type uint8, int16, int32, or floats in [-1, 1]; floats up
            to 2 are clipped. An array of two axes is one recording if the last
            one is 8 or less.
        sampling_rate: Integer of at least 1,000. Samples per second of `x`, in
            Hz.
        target_rate: Integer of at least 1,000. Samples per second of the
            result. Defaults to `16000`.
        seconds: Float. Length of the result: longer recordings are cropped at
            the end, shorter ones padded. Defaults to `None`, the longest.
        padding_value: Float. NaN or a number in [-1, 1], such as `0.0` for
            sources that do not know missing samples. Defaults to NaN.

    Returns:
        Array `(recordings, samples)` of type float32.

    Raises:
        ImportError: If SciPy is not installed and the rates differ.
        ValueError: If a rate is missing or in kHz, a recording is empty, its
            type or shape is not one of those above, or NaN is followed by
            samples.
    """
    sampling_rate = check_rate("sampling_rate", sampling_rate)
    target_rate = check_rate("target_rate", target_rate)
    length = padded_length(seconds, target_rate)
    padding_value = checked_padding(padding_value)
    waveforms = [
        mono_waveform(
            recording, sampling_rate, target_rate, f"Recording {index}: "
        )
        for index, recording in enumerate(recordings_of(x))
    ]
    return padded(waveforms, length, padding_value)


def padded_length(seconds: float | None, rate: int) -> int | None:
    """The number of samples in some seconds, `None` for the longest."""
    if seconds is None:
        return None
    length = round(number("seconds", seconds, 0) * rate)
    if length < 1:
        raise ValueError(
            f"`seconds` must be at least 1/{rate}, one sample. Received: "
            f"seconds={seconds}"
        )
    return length


def checked_padding(padding_value: Any) -> float:
    if isinstance(padding_value, (float, np.floating)) and np.isnan(
        padding_value
    ):
        return math.nan
    return number("padding_value", padding_value, -1, 1)


def recordings_of(x: Any) -> list[Waveforms]:
    """Returns recordings `(samples,)` or `(samples, channels)`."""
    several = isinstance(x, (list, tuple)) and any(map(np.ndim, x))
    array = None if several else np.asarray(x)
    if array is None or (array.dtype == object and array.ndim == 1):
        recordings = [np.asarray(recording) for recording in x]
    elif array.ndim == 1 or (
        array.ndim == 2 and 0 < array.shape[1] <= MOST_CHANNELS
    ):
        recordings = [array]
    else:
        check_batch(array)
        recordings = list(array)
    return [without_padding(recording) for recording in recordings]


def check_batch(array: Waveforms) -> None:
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(
            "Recordings must have the shape `(samples,)` or `(samples, "
            "channels)`, arrays of them one axis more in front, and there must "
            f"be one or more. Received: an array of shape {array.shape}"
        )
    if array.ndim == 2 and len(array) == 2 and not has_nan(array):
        raise ValueError(
            "An array of two rows can be two recordings, or a stereo one with "
            "its channels first: pass a list of recordings, or the transposed "
            f"array. Received: an array of shape {array.shape}"
        )


def has_nan(array: Waveforms) -> bool:
    return array.dtype.kind == "f" and bool(np.isnan(array).any())


def without_padding(recording: Waveforms) -> Waveforms:
    """Removes NaN at the end of a recording."""
    if not has_nan(recording) or recording.ndim not in (1, 2):
        return recording
    missing = np.isnan(recording).reshape(len(recording), -1).all(axis=1)
    present = np.flatnonzero(~missing)
    return recording[: present[-1] + 1 if len(present) else 0]


def mono_waveform(
    recording: Waveforms, sampling_rate: int, target_rate: int, subject: str
) -> Waveforms:
    """Converts a recording `(samples,)` or `(samples, channels)`.

    Args:
        recording: Array of integers or floats.
        sampling_rate: Integer. Samples per second.
        target_rate: Integer. Samples per second of the result.
        subject: String. What errors begin with.

    Returns:
        Array `(samples,)` of type float32.
    """
    check_shape(recording.shape, subject)
    waveform = in_unit_range(recording, subject)
    if waveform.ndim == 2:
        waveform = waveform.mean(axis=1)
    if sampling_rate != target_rate:
        signal = optional_package("scipy.signal", "audio", "A change of rate")
        divisor = math.gcd(sampling_rate, target_rate)
        waveform = signal.resample_poly(
            waveform, target_rate // divisor, sampling_rate // divisor
        )
    return np.clip(waveform, -1, 1).astype("float32")


def check_shape(shape: FixedShape, subject: str) -> None:
    if len(shape) not in (1, 2) or 0 in shape:
        raise ValueError(
            f"{subject}it must have samples, in the shape `(samples,)` or "
            f"`(samples, channels)`. Received: shape {shape}"
        )
    if len(shape) == 2 and shape[1] > max(MOST_CHANNELS, shape[0]):
        raise ValueError(
            f"{subject}its channels seem to come first. Pass the transposed "
            f"array, `(samples, channels)`. Received: shape {shape}"
        )
    if len(shape) == 2 and shape[1] > MOST_CHANNELS:
        raise ValueError(
            f"{subject}a recording has at most {MOST_CHANNELS} channels, as "
            f"its last axis. Received: shape {shape}"
        )


def in_unit_range(recording: Waveforms, subject: str) -> Waveforms:
    """Returns floats, with full scale of integers as 1."""
    name = recording.dtype.name
    if name in FULL_SCALES:
        zero, scale = FULL_SCALES[name]
        return (recording.astype("float64") - zero) / scale
    if recording.dtype.kind != "f":
        raise ValueError(
            f"{subject}samples must be of type {', '.join(FULL_SCALES)} or "
            "floats in [-1, 1]: the full scale of other types is not known. "
            "Convert samples of 16 bits by `.astype('int16')`. Received: type "
            f"{name}"
        )
    if not np.isfinite(recording).all():
        raise ValueError(
            f"{subject}NaN may only stand at the end of a recording in an "
            "array of several, where the recording is over. Received: "
            f"{np.count_nonzero(~np.isfinite(recording))} of {recording.size} "
            "values that are NaN or infinite"
        )
    largest = float(np.abs(recording).max())
    if largest > LARGEST_FLOAT:
        raise ValueError(
            f"{subject}floats must be in [-1, 1]. These look like integers of "
            "16 bits: pass them as `x.astype('int16')`, or divide them by "
            f"their full scale. Received: a largest absolute value of {largest}"
        )
    return recording.astype("float64")


def padded(
    waveforms: Sequence[Waveforms], length: int | None, padding_value: float
) -> Waveforms:
    """Stacks waveforms, each cropped or padded at its end.

    Args:
        waveforms: Sequence of arrays `(samples,)`, one or more.
        length: Integer. Number of samples, or `None` for the longest.
        padding_value: Float. What follows a waveform that is shorter.

    Returns:
        Array `(waveforms, length)` of type float32.
    """
    length = length or max(map(len, waveforms))
    stacked = np.full((len(waveforms), length), padding_value, "float32")
    for row, waveform in zip(stacked, waveforms):
        row[: len(waveform)] = waveform[:length]
    return stacked
