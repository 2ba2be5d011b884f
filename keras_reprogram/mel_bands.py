"""Energies of the mel bands of waveforms."""

import math

import numpy as np
from keras import ops

from keras_reprogram.keras_internals import is_exporting
from keras_reprogram.typing import Tensor

LINEAR_STEP = 200 / 3  # Hz per mel up to 1 kHz
LOGARITHM_START = 1000.0  # Hz
LOGARITHM_STEP = math.log(6.4) / 27  # Logarithm of the ratio per mel above.


def band_energies(
    waveforms: Tensor, filters: np.ndarray, fft_length: int, stride: int
) -> Tensor:
    """Returns `|stft(x)|^2 @ filters`, with a finite gradient at silence.

    Frame `i` is centered at sample `i * stride`, with a Hann window and
    reflection at both ends.

    Args:
        waveforms: Tensor `(batch, samples)`, longer than half a frame.
        filters: Array `[fft_length // 2 + 1, bands]`, as of `mel_filters`.
        fft_length: Integer. Samples per frame.
        stride: Integer. Samples between two frames.

    Returns:
        A float32 tensor `(batch, 1 + samples // stride, bands)`.
    """
    # No backend has a Fourier transform in lower precision.
    waveforms = ops.cast(waveforms, "float32")
    # Files such as ONNX have no transform of real numbers to complex ones.
    if is_exporting():
        real, imaginary = convolved(waveforms, fft_length, stride)
    else:
        real, imaginary = ops.stft(
            waveforms,
            fft_length,
            stride,
            fft_length,
            # By name, TensorFlow has another window for frames of odd length.
            window=ops.convert_to_tensor(hann_window(fft_length), "float32"),
            center=True,
        )
    # Not the absolute value: its gradient at silence is infinite.
    energies = ops.add(ops.square(real), ops.square(imaginary))
    return ops.matmul(energies, ops.cast(filters, energies.dtype))


def convolved(
    waveforms: Tensor, fft_length: int, stride: int
) -> tuple[Tensor, Tensor]:
    """Returns what `ops.stft` does, by a convolution with windowed waves.

    Args:
        waveforms: Float32 tensor `(batch, samples)`.
        fft_length: Integer. Samples per frame.
        stride: Integer. Samples between two frames.
    """
    steps = np.arange(fft_length)
    frequencies = np.arange(fft_length // 2 + 1)
    # Multiples of a turn are taken away, which rounding would be a part of.
    turns = np.outer(steps, frequencies) % fft_length / fft_length
    waves = hann_window(fft_length)[:, None] * np.exp(-2j * np.pi * turns)
    kernels = np.concatenate([waves.real, waves.imag], axis=1)
    half = fft_length // 2
    padded = ops.pad(waveforms, [(0, 0), (half, half)], mode="reflect")
    frames = ops.conv(
        ops.expand_dims(padded, -1),
        ops.convert_to_tensor(kernels[:, None], "float32"),
        strides=stride,
        padding="valid",
        data_format="channels_last",
    )
    real, imaginary = ops.split(frames, 2, axis=-1)
    return real, imaginary


def hann_window(length: int) -> np.ndarray:
    steps = np.arange(length)
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * steps / length))


def mel_filters(
    sampling_rate: int,
    fft_length: int,
    num_bands: int,
    lowest_frequency: float,
    highest_frequency: float,
) -> np.ndarray:
    """Returns triangular filters of area 1 on Slaney's mel scale.

    Args:
        sampling_rate: Integer. Samples per second.
        fft_length: Integer. Samples per frame.
        num_bands: Integer. Number of filters.
        lowest_frequency: Float. Lower end of the first filter in Hz.
        highest_frequency: Float. Upper end of the last filter in Hz.

    Returns:
        A float32 array `[fft_length // 2 + 1, num_bands]`, in 1/Hz.
    """
    low_mel, high_mel = to_mel(np.array([lowest_frequency, highest_frequency]))
    corners = to_hertz(np.linspace(low_mel, high_mel, num_bands + 2))
    low, center, high = corners[:-2], corners[1:-1], corners[2:]
    frequencies = np.fft.rfftfreq(fft_length, 1 / sampling_rate)[:, None]
    rising = (frequencies - low) / (center - low)
    falling = (high - frequencies) / (high - center)
    triangles = np.maximum(np.minimum(rising, falling), 0.0)
    return np.asarray(triangles * 2 / (high - low), "float32")


def to_mel(hertz: np.ndarray) -> np.ndarray:
    """Converts to Slaney's scale, linear up to 1 kHz and logarithmic above."""
    above = np.log(np.maximum(hertz, LOGARITHM_START) / LOGARITHM_START)
    below = np.minimum(hertz, LOGARITHM_START) / LINEAR_STEP
    return np.asarray(below + above / LOGARITHM_STEP)


def to_hertz(mel: np.ndarray) -> np.ndarray:
    """The inverse of `to_mel`."""
    start = LOGARITHM_START / LINEAR_STEP
    above = np.exp(np.maximum(mel - start, 0.0) * LOGARITHM_STEP)
    return np.asarray(np.minimum(mel, start) * LINEAR_STEP * above)
