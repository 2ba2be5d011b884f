"""The layers around the encoder of a speech model."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.mel_bands import band_energies
from keras_reprogram.mel_bands import mel_filters
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

SAMPLING_RATE = 16000  # Hz
# Whisper's frames.
FFT_LENGTH = 400
STRIDE = 160
LOWEST_ENERGY = 1e-10
DECADES = 8.0  # below the largest energy of a sample
# The smallest variance, whose root has a finite gradient.
SMALLEST_VARIANCE = 1e-10


class Float32Layer(keras.layers.Layer):
    """Base class: a layer without weights that computes in float32."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})


@serializable
class SilenceForMissing(Float32Layer):
    """Sets samples of NaN to zero, and pads waveforms with zeros.

    Args:
        length: Integer. Number of samples that are returned.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = positive_integer("length", length)

    def call(self, waveforms: Tensor) -> Tensor:
        # A product with a mask would keep NaN, and make its gradient NaN.
        waveforms = ops.where(
            ops.isnan(waveforms), ops.zeros_like(waveforms), waveforms
        )
        added = self.length - waveforms.shape[1]
        return ops.pad(waveforms, [(0, 0), (0, added)]) if added else waveforms

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.length)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length}


@serializable
class HasSound(Float32Layer):
    """Returns in which steps of a waveform some sample is not NaN.

    Args:
        samples_per_step: Integer.
        num_steps: Integer.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, samples_per_step: int, num_steps: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.samples_per_step = positive_integer(
            "samples_per_step", samples_per_step
        )
        self.num_steps = positive_integer("num_steps", num_steps)

    def call(self, waveforms: Tensor) -> Tensor:
        length = self.samples_per_step * self.num_steps
        present = ops.cast(
            ops.logical_not(ops.isnan(waveforms[:, :length])), "float32"
        )
        added = length - present.shape[1]
        if added:
            present = ops.pad(present, [(0, 0), (0, added)])
        steps = ops.reshape(
            present, (-1, self.num_steps, self.samples_per_step)
        )
        return ops.max(steps, axis=2) > 0

    def compute_output_spec(self, waveforms: Tensor) -> keras.KerasTensor:
        return keras.KerasTensor((waveforms.shape[0], self.num_steps), "bool")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "samples_per_step": self.samples_per_step,
            "num_steps": self.num_steps,
        }


@serializable
class UpToLastSound(Float32Layer):
    """Returns which samples are no later than the last one that is not NaN.

    This is the padding mask of an encoder that counts the samples of a mask.
    """

    def call(self, waveforms: Tensor) -> Tensor:
        numbers = ops.arange(1, waveforms.shape[1] + 1, dtype="int32")
        present = ops.where(
            ops.isnan(waveforms), ops.zeros_like(numbers), numbers
        )
        return numbers <= ops.max(present, axis=1, keepdims=True)

    def compute_output_spec(self, waveforms: Tensor) -> keras.KerasTensor:
        return keras.KerasTensor(waveforms.shape, "bool")


@serializable
class WhisperSpectrogram(Float32Layer):
    """Whisper's input: energies of mel bands on a logarithmic scale.

    With `e = max(|stft(x)|^2 @ filters, 1e-10)`, for each waveform

    ```
    (max(log10(e), max(log10(e)) - 8) + 4) / 4
    ```

    Args:
        num_bands: Integer. Number of mel bands. Defaults to `80`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        waveforms: Tensor `(batch, samples)`. Waveforms in [-1, 1] at 16 kHz.

    Returns:
        A float32 tensor `(batch, samples // 160, num_bands)`.
    """

    def __init__(self, num_bands: int = 80, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_bands = positive_integer("num_bands", num_bands)
        self.filters = mel_filters(
            SAMPLING_RATE, FFT_LENGTH, self.num_bands, 0.0, SAMPLING_RATE / 2
        )

    def call(self, waveforms: Tensor) -> Tensor:
        energies = band_energies(waveforms, self.filters, FFT_LENGTH, STRIDE)
        # Whisper leaves out the frame that is centered at the end.
        levels = ops.log10(ops.maximum(energies[:, :-1], LOWEST_ENERGY))
        largest = ops.max(levels, axis=(1, 2), keepdims=True)
        levels = ops.maximum(levels, ops.subtract(largest, DECADES))
        return ops.divide(ops.add(levels, 4.0), 4.0)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, samples = input_shape
        frames = None if samples is None else samples // STRIDE
        return (batch, frames, self.num_bands)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_bands": self.num_bands}


def mean_and_deviation(
    values: Tensor, weights: Tensor = None
) -> tuple[Tensor, Tensor]:
    """Returns weighted means and standard deviations over steps.

    Args:
        values: Tensor `(batch, steps, width)`.
        weights: Tensor `(batch, steps, 1)`, which add up to 1 for each sample,
            or to 0 where nothing counts. Defaults to `None`, equal weights.

    Returns:
        Two tensors `(batch, width)`.
    """
    if weights is None:
        weights = 1.0 / values.shape[1]
    mean = ops.sum(ops.multiply(values, weights), axis=1, keepdims=True)
    squares = ops.square(ops.subtract(values, mean))
    variance = ops.sum(ops.multiply(squares, weights), axis=1)
    deviation = ops.sqrt(ops.maximum(variance, SMALLEST_VARIANCE))
    return ops.squeeze(mean, axis=1), deviation


@serializable
class AudioReadout(Float32Layer):
    """Reads steps that have sound out of hidden states.

    Args:
        kind: String. `"sequence"` for all steps, zero without sound, `"mean"`
            for their mean, `"statistics"` for mean and standard deviation.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        hidden: Tensor `(batch, steps, width)`.
        has_sound: Boolean tensor `(batch, steps)`.
    """

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind

    def call(self, hidden: Tensor, has_sound: Tensor) -> Tensor:
        counted = ops.cast(has_sound, hidden.dtype)[..., None]
        if self.kind == "sequence":
            return ops.multiply(hidden, counted)
        count = ops.maximum(ops.sum(counted, axis=1, keepdims=True), 1.0)
        mean, deviation = mean_and_deviation(hidden, ops.divide(counted, count))
        return mean if self.kind == "mean" else [mean, deviation]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind}
