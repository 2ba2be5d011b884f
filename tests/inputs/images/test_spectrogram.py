import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import Spectrogram
from keras_reprogram.inputs.images.interpolation import resampling_matrix
from keras_reprogram.mel_bands import mel_filters


def pictures(drawing, series, sizes):
    drawing.check(series.shape[1], sizes)
    drawn = drawing.draw(ops.convert_to_tensor(series, "float32"), sizes)
    return ops.convert_to_numpy(drawn)


def power(series, frame, stride):
    """`[N, frames, frequencies]`, of a full sine 1."""
    waves = 2 * series - (2 * series).mean(axis=1, keepdims=True)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)
    padded = np.pad(waves, [(0, 0), (frame // 2,) * 2], mode="reflect")
    starts = range(0, padded.shape[1] - frame + 1, stride)
    frames = np.stack([padded[:, i : i + frame] for i in starts], axis=1)
    return np.abs(np.fft.rfft(frames * window)) ** 2 * 16 / frame**2


def levels(power, decibels):
    floor = 10 ** (-decibels / 10)
    return np.minimum(1 + np.log10(power + floor) * 10 / decibels, 1)


def test_pixels_are_decibels_below_a_full_sine():
    series = np.random.default_rng(0).random((2, 40))
    found = pictures(Spectrogram(fft_length=8, decibels=60), series, (5, 11))
    expected = levels(power(series, 8, 3), 60)  # 14 frames of 5 frequencies
    expected = expected.swapaxes(1, 2)[:, ::-1]
    expected = expected @ resampling_matrix(14, 11).T
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.numpy_alone
def test_a_full_sine_is_white_at_its_frequency_and_silence_is_black():
    steps = np.arange(256)
    sine = 0.5 + 0.5 * np.sin(2 * np.pi * steps / 8)  # 8 of 32 frequencies
    series = np.stack([sine, np.full(256, 0.3)])
    wave, silence = pictures(Spectrogram(fft_length=64), series, (33, 16))
    np.testing.assert_allclose(wave[32 - 8, 2:-2], 1.0, atol=0.01)
    assert wave[:20, 2:-2].max() < 0.1  # the ends are reflected
    np.testing.assert_allclose(silence, 0.0, atol=1e-3)


@pytest.mark.numpy_alone
def test_rows_are_mel_bands_of_a_sound():
    series = np.random.default_rng(0).random((1, 2000))
    drawing = Spectrogram(sampling_rate=8000)
    assert drawing.frame_length(2000) == 256
    found = pictures(drawing, series, (20, 18))
    filters = mel_filters(8000, 256, 20, 0.0, 4000.0)
    bands = power(series, 256, 111) @ (filters / filters.max(axis=0))
    expected = levels(bands, 80).swapaxes(1, 2)[:, ::-1]
    expected = expected @ resampling_matrix(19, 18).T
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.numpy_alone
def test_frames_leave_no_step_out_and_never_outnumber_the_steps():
    sizes = (65, 65)
    for length in (4, 24, 150, 1460, 16000, 10**6):
        for drawing in (Spectrogram(), Spectrogram(sampling_rate=16000)):
            frame = drawing.frame_length(length)
            assert 4 <= frame <= length
            assert 1 <= drawing.stride(length, sizes) <= frame // 2
            drawing.check(length, sizes)


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "make",
    [
        lambda: Spectrogram(sampling_rate=0),
        lambda: Spectrogram(sampling_rate=16),
        lambda: Spectrogram(sampling_rate=10**400),
        lambda: Spectrogram(fft_length=2.5),
        lambda: Spectrogram(decibels=0),
        lambda: Spectrogram().check(3, (8, 8)),
        lambda: Spectrogram(fft_length=64).check(63, (8, 8)),
        lambda: Spectrogram(fft_length=2**20).check(2**25, (65, 65)),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
