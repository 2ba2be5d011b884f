"""Energies of the mel bands of waveforms."""

import math

import numpy as np
from keras import ops

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
    real, imaginary = ops.stft(
        ops.cast(waveforms, "float32"),
        fft_length,
        stride,
        fft_length,
        window="hann",
        center=True,
    )
    # Not the absolute value: its gradient at silence is infinite.
    energies = ops.add(ops.square(real), ops.square(imaginary))
    return ops.matmul(energies, ops.cast(filters, energies.dtype))


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
