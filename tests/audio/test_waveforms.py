"""Recordings of any type, rate, shape and length, as NumPy arrays."""

import sys

import numpy as np
import pytest

from keras_reprogram.audio import to_waveforms

pytestmark = pytest.mark.numpy_alone
pytest.importorskip("scipy")


def tone(rate, seconds=0.2, hertz=200):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(rate * seconds) / rate)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.array([0, 128, 255], "uint8"), [-1, 0, 127 / 128]),
        (np.array([-(2**15), 0, 2**14], "int16"), [-1, 0, 0.5]),
        (np.array([-(2**31), 0, 2**30], "int32"), [-1, 0, 0.5]),
        (np.array([-1, 0, 0.5], "float16"), [-1, 0, 0.5]),
        (np.array([-1, 0, 0.5], "float32"), [-1, 0, 0.5]),
        ([-1, 0, 0.5], [-1, 0, 0.5]),
        (np.array([-1.5, 0, 2.0]), [-1, 0, 1]),
    ],
)
def test_every_type_has_a_full_scale_of_one(x, expected):
    waveforms = to_waveforms(x, 16000)
    assert waveforms.dtype == "float32"
    np.testing.assert_allclose(waveforms, [expected], atol=1e-7)


@pytest.mark.parametrize(
    "rate", [8000, 11025, 22050, 44100, 48000, np.float32(8e3)]
)
def test_a_tone_stays_a_tone_at_another_rate(rate):
    waveform = to_waveforms(tone(int(rate)), rate)[0]
    assert waveform.shape == (3200,)
    middle = slice(400, -400)  # The filter sees silence around a recording.
    error = waveform[middle] - tone(16000)[middle]
    assert np.abs(error).max() < 2e-3


def test_what_the_new_rate_cannot_represent_is_removed():
    # Without a filter it would become a tone of 1 kHz.
    waveform = to_waveforms(tone(32000, hertz=15000), 32000)[0]
    assert np.abs(waveform[400:-400]).max() < 0.01


def test_channels_become_their_mean():
    stereo = np.stack([np.full(9, 2**14), np.zeros(9)], axis=1).astype("int16")
    np.testing.assert_array_equal(to_waveforms(stereo, 16000), 0.25)
    np.testing.assert_array_equal(to_waveforms([stereo] * 3, 16000), 0.25)
    batch = np.stack([stereo, 2 * stereo // 2])
    assert to_waveforms(batch, 16000).shape == (2, 9)


def test_recordings_of_unequal_length_are_padded_with_nan():
    waveforms = to_waveforms([np.ones(20), np.ones((10, 2))], 8000)
    assert waveforms.shape == (2, 40)
    assert not np.isnan(waveforms[0]).any()
    np.testing.assert_array_equal(np.isnan(waveforms[1]), np.arange(40) >= 20)


def test_every_form_of_a_batch_is_the_same_batch():
    recordings = [tone(8000, seconds) for seconds in (0.2, 0.1, 0.15)]
    expected = to_waveforms(recordings, 8000)
    array = np.full((3, 1700), np.nan)
    for row, recording in zip(array, recordings):
        row[: len(recording)] = recording
    objects = np.empty(3, dtype=object)
    objects[:] = recordings
    channels = np.repeat(array[:, :, None], 2, axis=2)
    for x in (array, list(array), objects, tuple(recordings), channels):
        np.testing.assert_allclose(to_waveforms(x, 8000), expected, atol=1e-7)
    # Once more: nothing changes, NaN is still what is missing.
    np.testing.assert_array_equal(to_waveforms(expected, 16000), expected)


def test_seconds_crop_or_pad_at_the_end():
    x = [np.linspace(0, 1, 30), np.linspace(0, 1, 10)]
    waveforms = to_waveforms(x, 1000, 1000, seconds=0.02, padding_value=0.0)
    np.testing.assert_allclose(waveforms[0], x[0][:20], rtol=1e-6)
    np.testing.assert_allclose(waveforms[1, :10], x[1], rtol=1e-6)
    np.testing.assert_array_equal(waveforms[1, 10:], 0)


RECORDING = np.zeros(100, "float32")
NAN_INSIDE = np.where(np.arange(100) == 50, np.nan, RECORDING)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([], "must have samples.*shape \\(0,\\)"),
        (np.zeros((0, 100)), "one or more.*shape \\(0, 100\\)"),
        (np.float32(0), "axis more.*shape \\(\\)"),
        ([RECORDING, RECORDING[:0]], "Recording 1: it must have samples"),
        ([RECORDING, RECORDING * np.nan], "Recording 1: it must have samples"),
        (np.zeros((2, 100)), "two recordings, or a stereo one"),
        ([np.zeros((2, 100))], "Recording 0: its channels seem to come first"),
        (np.zeros((5, 2, 100)), "channels seem to come first"),
        (np.zeros((5, 100, 9)), "at most 8 channels"),
        (np.zeros((5, 100, 2, 1)), "axis more"),
        ([np.zeros((5, 100, 2))], "Recording 0: it must have samples"),
        (NAN_INSIDE, "Recording 0: NaN may only.*1 of 100"),
        ([RECORDING, NAN_INSIDE], "Recording 1: NaN may only"),
        (NAN_INSIDE[50:], "NaN may only"),
        (np.where(RECORDING == 0, np.inf, 0), "infinite"),
        (RECORDING + 300, "look like integers of 16 bits.*300.0"),
        ([0, 1, 2], "astype\\('int16'\\).*type int64"),
        (RECORDING.astype("uint16"), "type uint16"),
        (RECORDING.astype("int8"), "type int8"),
        (RECORDING.astype(bool), "type bool"),
        (RECORDING.astype("complex64"), "type complex64"),
        (["a.wav", "b.wav"], "samples must be of type"),
        (None, "axis more.*shape \\(\\)"),
    ],
)
def test_what_is_no_recording_is_refused(x, message):
    with pytest.raises(ValueError, match=message) as error:
        to_waveforms(x, 16000)
    assert "Received: " in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sampling_rate": None}, "`sampling_rate` .* in Hz"),
        ({"target_rate": None}, "`target_rate` .* in Hz"),
        ({"sampling_rate": 44.1}, "`sampling_rate` .* in Hz"),
        ({"sampling_rate": 0}, "`sampling_rate` .* in Hz"),
        ({"target_rate": -1}, "`target_rate` .* in Hz"),
        ({"sampling_rate": 16}, "`sampling_rate` .* in Hz"),
        ({"target_rate": 999}, "`target_rate` .* in Hz"),
        ({"seconds": 0}, "one sample"),
        ({"seconds": -1}, "`seconds`"),
        ({"seconds": np.nan}, "`seconds`"),
        ({"padding_value": 2}, "`padding_value`"),
        ({"padding_value": "zero"}, "`padding_value`"),
        ({"padding_value": np.inf}, "`padding_value`"),
    ],
)
def test_settings_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        to_waveforms(RECORDING, **{"sampling_rate": 8000, **arguments})


def test_one_rate_needs_no_scipy_and_another_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.signal", None)
    to_waveforms(RECORDING, 16000)
    with pytest.raises(ImportError, match=r"keras-reprogram\[audio\]"):
        to_waveforms(RECORDING, 8000)
