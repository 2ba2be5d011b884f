"""From a waveform to its logarithmic mel spectrogram, with a gradient."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.typing import Tensor

LINEAR_STEP = 200 / 3  # Hz of a mel up to 1 kHz
LOGARITHM_START = 1000.0  # Hz
LOGARITHM_STEP = math.log(6.4) / 27  # logarithm of the ratio of a mel above


@serializable
class LogMelSpectrogram(keras.layers.Layer):
    """Energies of mel bands on a logarithmic scale: `log10(1 + gain * mel)`.

    ```
    mel = |stft(x)|^2 @ filters               # [frames, bands]
    ```

    The filters are triangles of equal area on Slaney's mel scale, as in
    librosa; frame `i` is centered at sample `i * stride`, the ends are
    reflected. Unlike `keras.layers.MelSpectrogram`, the layer has a finite
    gradient where there is silence, as around a series in a waveform, and a
    sample's values do not depend on the others of its batch.

    Example:

    ```python
    layer = keras_reprogram.pretrained.LogMelSpectrogram(num_bands=96)
    layer(np.zeros((2, 16000))).shape  # (2, 63, 96)
    ```

    Args:
        sampling_rate: Samples per second of the waveform, in Hz.
        fft_length: Samples of a frame, under a Hann window.
        stride: Samples between two frames.
        num_bands: Number of mel bands.
        lowest_frequency: Where the first band begins, in Hz.
        highest_frequency: Where the last band ends, in Hz. Defaults to half
            the sampling rate.
        gain: Factor of the energies before the logarithm. With `1e10` the
            values are tenths of decibels above -100 dB.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Waveforms of shape `(batch, samples)`, in [-1, 1].

    Returns:
        A tensor of shape `(batch, 1 + samples // stride, num_bands)`.

    Raises:
        ValueError: If a number is not positive, the frequencies are not in
            order, or the waveforms are integers.
    """

    def __init__(
        self,
        sampling_rate: int = 16000,
        fft_length: int = 512,
        stride: int = 256,
        num_bands: int = 96,
        lowest_frequency: float = 0.0,
        highest_frequency: float | None = None,
        gain: float = 10_000.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # A waveform of less than float32 is noise in its quiet bands.
        self.autocast = False
        self.sampling_rate = positive_integer("sampling_rate", sampling_rate)
        self.fft_length = positive_integer("fft_length", fft_length)
        self.stride = positive_integer("stride", stride)
        self.num_bands = positive_integer("num_bands", num_bands)
        self.gain = number("gain", gain, 0.0)
        half = self.sampling_rate / 2
        highest = half if highest_frequency is None else highest_frequency
        self.highest_frequency = number("highest_frequency", highest, 0, half)
        self.lowest_frequency = number("lowest_frequency", lowest_frequency, 0)
        if self.lowest_frequency >= self.highest_frequency:
            raise ValueError(
                "`lowest_frequency` must be below `highest_frequency`. "
                f"Received: lowest_frequency={lowest_frequency}, "
                f"highest_frequency={self.highest_frequency}"
            )
        self.filters = mel_filters(
            self.sampling_rate,
            self.fft_length,
            self.num_bands,
            self.lowest_frequency,
            self.highest_frequency,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        samples = input_shape[-1]
        if len(input_shape) != 2 or (samples or math.inf) <= (
            self.fft_length // 2
        ):
            raise ValueError(
                "A spectrogram takes waveforms of shape (batch, samples), "
                f"longer than half a frame of {self.fft_length} samples. "
                f"Received: {tuple(input_shape)}"
            )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if "float" not in dtype:
            raise ValueError(
                "A spectrogram takes waveforms of floats in [-1, 1]: divide "
                "samples of 16 bits by 32768. Received: waveforms of dtype "
                f"{dtype}"
            )
        # No backend has a Fourier transform of less than float32.
        real, imaginary = ops.stft(
            ops.cast(inputs, "float32"),
            self.fft_length,
            self.stride,
            self.fft_length,
            window="hann",
            center=True,
        )
        # No square root on the way: its gradient at silence is infinite.
        energies = ops.add(ops.square(real), ops.square(imaginary))
        bands = ops.matmul(energies, ops.cast(self.filters, energies.dtype))
        logarithms = ops.log10(ops.add(ops.multiply(bands, self.gain), 1.0))
        return ops.cast(logarithms, self.compute_dtype)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        batch, samples = input_shape
        frames = None if samples is None else 1 + samples // self.stride
        return (batch, frames, self.num_bands)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sampling_rate": self.sampling_rate,
            "fft_length": self.fft_length,
            "stride": self.stride,
            "num_bands": self.num_bands,
            "lowest_frequency": self.lowest_frequency,
            "highest_frequency": self.highest_frequency,
            "gain": self.gain,
        }


def mel_filters(
    sampling_rate: int,
    fft_length: int,
    num_bands: int,
    lowest_frequency: float,
    highest_frequency: float,
) -> np.ndarray:
    """Triangles of area 1 over the frequencies of a Fourier transform.

    Args:
        sampling_rate: In Hz.
        fft_length: Samples of a frame.
        num_bands: Number of triangles.
        lowest_frequency: Where the first one begins, in Hz.
        highest_frequency: Where the last one ends, in Hz.

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
    """Slaney's scale: linear up to 1 kHz, logarithmic above."""
    above = np.log(np.maximum(hertz, LOGARITHM_START) / LOGARITHM_START)
    below = np.minimum(hertz, LOGARITHM_START) / LINEAR_STEP
    return np.asarray(below + above / LOGARITHM_STEP)


def to_hertz(mel: np.ndarray) -> np.ndarray:
    """The inverse of `to_mel`."""
    start = LOGARITHM_START / LINEAR_STEP
    above = np.exp(np.maximum(mel - start, 0.0) * LOGARITHM_STEP)
    return np.asarray(np.minimum(mel, start) * LINEAR_STEP * above)
