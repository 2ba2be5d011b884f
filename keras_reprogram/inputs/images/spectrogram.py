"""The picture of a series' power by frequency and time."""

import dataclasses
import math

import numpy as np
from keras import ops

from keras_reprogram.configurable import check_rate
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.interpolation import check_matrix
from keras_reprogram.inputs.images.interpolation import resampled
from keras_reprogram.inputs.images.interpolation import resampling_matrix
from keras_reprogram.inputs.images.series_drawing import SeriesDrawing
from keras_reprogram.inputs.images.series_drawing import Sizes
from keras_reprogram.mel_bands import band_energies
from keras_reprogram.mel_bands import mel_filters
from keras_reprogram.typing import Tensor

SECONDS_OF_A_FRAME = 0.032
LONGEST_FRAME = 2**30


@serializable
@dataclasses.dataclass(frozen=True)
class Spectrogram(SeriesDrawing):
    """The power of a series by frequency and time, in decibels.

    ```
    power = |stft(2 x - 1 - its mean)|^2 / power of a full sine
    pixel = min(1, 1 + log10((power + floor) / (1 + floor)) / log10(1 / floor))
    floor = 10^(-decibels / 10)
    ```

    Time runs to the right and frequency up. With a `sampling_rate`, rows are
    bands of Slaney's mel scale, as for sound; without one, they are the
    frequencies from zero to half the sampling rate.

    Example:

    ```python
    # A second of sound as a log-mel picture.
    reprogrammer = keras_reprogram.InputReprogrammer(
        target_shape=(16000,),
        source_shape=(97, 97, 3),
        placement=keras_reprogram.inputs.SeriesPicture(
            keras_reprogram.inputs.Spectrogram(sampling_rate=16000)
        ),
        value_range=None,
    )
    reprogrammer(np.zeros((2, 16000))).shape  # (2, 97, 97, 3)
    ```

    Args:
        sampling_rate: Integer of at least 1,000. Samples per second, in Hz, for
            the mel bands of sound. Defaults to `None`.
        fft_length: Integer. Steps per frame, with a Hann window. Defaults to
            about 32 ms at a `sampling_rate`, otherwise to about the square root
            of twice the length, as a power of two.
        decibels: Float. Range from black to white. Defaults to `80`.
    """

    sampling_rate: int | None = None
    fft_length: int | None = None
    decibels: float = 80.0

    def __post_init__(self) -> None:
        if self.sampling_rate is not None:
            rate = check_rate("sampling_rate", self.sampling_rate)
            self.set_fields(sampling_rate=rate)
        if self.fft_length is not None:
            frame = positive_integer("fft_length", self.fft_length)
            if frame > LONGEST_FRAME:
                raise ValueError(
                    f"`fft_length` must be at most {LONGEST_FRAME}. Received: "
                    f"fft_length={frame}"
                )
            self.set_fields(fft_length=frame)
        decibels = number("decibels", self.decibels, 1.0, 200.0)
        self.set_fields(decibels=decibels)

    def steps(self, length: int, sizes: Sizes) -> int:
        return length

    def frame_length(self, length: int) -> int:
        """Returns the number of steps in a frame."""
        if self.fft_length is not None:
            return self.fft_length
        wanted = math.sqrt(2 * length)
        if self.sampling_rate is not None:
            wanted = self.sampling_rate * SECONDS_OF_A_FRAME
        longest = 1 << (length.bit_length() - 1)
        return min(1 << max(round(math.log2(wanted)), 2), longest)

    def stride(self, length: int, sizes: Sizes) -> int:
        """Returns the number of steps between two frames."""
        # At least as many frames as columns, and no step between two frames.
        return max(min(length // sizes[1], self.frame_length(length) // 2), 1)

    def check(self, length: int, sizes: Sizes) -> None:
        frame = self.frame_length(length)
        if not 4 <= frame <= length:
            raise ValueError(
                "A spectrogram needs frames of at least 4 steps that are no "
                "longer than the series: pass another `fft_length`, or longer "
                f"series. Received: fft_length={frame}, series of {length} "
                "steps"
            )
        frames = 1 + length // self.stride(length, sizes)
        check_matrix(frame, max(frames, sizes[0]))

    def draw(self, series: Tensor, sizes: Sizes) -> Tensor:
        height, width = sizes
        length = int(series.shape[1])  # A tensor in a trace of PyTorch.
        frame = self.frame_length(length)
        waves = ops.multiply(series, 2.0)
        waves = ops.subtract(waves, ops.mean(waves, axis=1, keepdims=True))
        power = band_energies(
            waves,
            self.filters(frame, height),
            frame,
            self.stride(length, sizes),
        )
        # A sine of amplitude 1 has a peak of a quarter of the frame.
        power = ops.multiply(power, 16.0 / frame**2)
        floor = 10.0 ** (-self.decibels / 10.0)
        levels = ops.log(ops.divide(ops.add(power, floor), 1.0 + floor))
        pictures = ops.add(ops.divide(levels, -math.log(floor)), 1.0)
        # Noise, and a sine of the highest frequency, may be above a full sine.
        pictures = ops.minimum(pictures, 1.0)
        pictures = ops.cast(pictures, series.dtype)
        pictures = ops.flip(ops.transpose(pictures, (0, 2, 1)), axis=1)
        return resampled(resampled(pictures, height, 1), width, 2)

    def filters(self, frame: int, height: int) -> np.ndarray:
        """Returns the matrix from frequencies to bands."""
        num_frequencies = frame // 2 + 1
        if self.sampling_rate is None:
            bands = min(height, num_frequencies)
            return resampling_matrix(num_frequencies, bands).T
        bands = min(height, num_frequencies // 2)
        filters = mel_filters(
            self.sampling_rate, frame, bands, 0.0, self.sampling_rate / 2
        )
        # A sine within one band keeps its power, whatever the band's width.
        highest = filters.max(axis=0, keepdims=True)
        return np.asarray(filters / np.maximum(highest, 1e-12), "float32")
