"""A differentiable layer for logarithmic mel spectrograms."""

import math
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import check_rate
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.mel_bands import band_energies
from keras_reprogram.mel_bands import mel_filters
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class LogMelSpectrogram(keras.layers.Layer):
    """Energies of mel bands on a logarithmic scale: `log10(1 + gain * mel)`.

    ```
    mel = |stft(x)|^2 @ filters               # [frames, bands]
    ```

    The filters are triangles of equal area on Slaney's mel scale, as in
    librosa. Frame `i` is centered at sample `i * stride`, with reflection at
    both ends. Unlike `keras.layers.MelSpectrogram`, the layer has a finite
    gradient at silence, and the values of a sample do not depend on the other
    samples of its batch.

    Example:

    ```python
    layer = keras_reprogram.pretrained.LogMelSpectrogram(num_bands=96)
    layer(np.zeros((2, 16000))).shape  # (2, 63, 96)
    ```

    Args:
        sampling_rate: Integer. Samples per second, in Hz. Defaults to `16000`.
        fft_length: Integer. Samples per frame, with a Hann window. Defaults
            to `512`.
        stride: Integer. Samples between two frames. Defaults to `256`.
        num_bands: Integer. Number of mel bands. Defaults to `96`.
        lowest_frequency: Float. Lower end of the first band in Hz. Defaults
            to `0.0`.
        highest_frequency: Float. Upper end of the last band in Hz. Defaults
            to `None`, half the sampling rate.
        gain: Float. Factor of the energies before the logarithm. With `1e10`,
            ten times the output is the level in decibels above -100 dB.
            Defaults to `10000.0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, samples)`. Waveforms in [-1, 1].

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
        # In lower precision than float32, quiet bands are rounding noise.
        self.autocast = False
        self.sampling_rate = check_rate("sampling_rate", sampling_rate)
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

    def build(self, input_shape: Shape) -> None:
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
        bands = band_energies(
            inputs, self.filters, self.fft_length, self.stride
        )
        logarithms = ops.log10(ops.add(ops.multiply(bands, self.gain), 1.0))
        return ops.cast(logarithms, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
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
