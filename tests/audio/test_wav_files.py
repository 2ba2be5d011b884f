"""Wav files of every kind, and files that are none."""

import io
import struct
import sys
import wave

import numpy as np
import pytest

from keras_reprogram.audio import read_recording

pytestmark = pytest.mark.numpy_alone
wavfile = pytest.importorskip("scipy.io.wavfile")

VALUES = np.array([-1, -0.5, 0, 0.25, 0.5])
PCM, FLOAT, MULAW, EXTENSIBLE = 1, 3, 7, 0xFFFE


def wav(data, bits, tag=PCM, channels=1, rate=16000, more=b"", chunks=b""):
    """A wav file, byte by byte."""
    width = channels * bits // 8
    form = struct.pack(
        "<HHIIHH", tag, channels, rate, rate * width, width, bits
    )
    form += more
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form
    body += chunks + b"data" + struct.pack("<I", len(data)) + data
    body += b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def of_24_bits(values):
    integers = (values * 2**23).astype("<i4")
    return b"".join(struct.pack("<i", value)[:3] for value in integers)


@pytest.mark.parametrize(
    "content",
    [
        wav(((VALUES + 1) * 128).astype("u1").tobytes(), 8),
        wav((VALUES * 2**15).astype("<i2").tobytes(), 16),
        wav(of_24_bits(VALUES), 24),
        wav((VALUES * 2.0**31).astype("<i4").tobytes(), 32),
        wav((VALUES * 2.0**63).astype("<i8").tobytes(), 64),
        wav(VALUES.astype("<f4").tobytes(), 32, FLOAT),
        wav(VALUES.astype("<f8").tobytes(), 64, FLOAT),
        wav(
            (VALUES * 2**15).astype("<i2").tobytes(),
            16,
            EXTENSIBLE,
            more=struct.pack("<HHIH", 22, 16, 4, PCM)
            + bytes.fromhex("000000001000800000aa00389b71"),
        ),
        wav(
            (VALUES * 2**15).astype("<i2").tobytes(),
            16,
            chunks=b"bext" + struct.pack("<I", 4) + b"note",
        ),
    ],
    ids="8 16 24 32 64 float32 float64 extensible note".split(),
)
def test_every_kind_of_sample_is_read(content, tmp_path, recwarn):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    waveform = read_recording(path)
    assert waveform.dtype == "float32" and not recwarn.list
    np.testing.assert_allclose(waveform, VALUES, atol=1e-7)


def test_a_file_of_the_standard_library_in_stereo_at_another_rate(tmp_path):
    path = tmp_path / "a.wav"
    steps = np.arange(4410)
    left = 0.8 * np.sin(2 * np.pi * 100 * steps / 44100)
    stereo = (np.stack([left, 0 * left], axis=1) * 2**15).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(stereo.tobytes())
    waveform = read_recording(str(path))
    expected = 0.4 * np.sin(2 * np.pi * 100 * np.arange(1600) / 16000)
    assert waveform.shape == (1600,)
    assert np.abs(waveform - expected)[100:-100].max() < 2e-3
    assert read_recording(path, sampling_rate=44100).shape == (4410,)


WHOLE = wav((VALUES * 2**15).astype("<i2").tobytes(), 16)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a wav file"),
        (b"ID3 this is an mp3 file", "ffmpeg -i recording.mp3"),
        (b"RIFF\x10\0\0\0AVI LIST", "not a wav file"),
        (WHOLE[:6], "not a wav file"),
        (WHOLE[:30], "not a wav file|truncated"),
        (WHOLE[:36], "not a wav file|truncated"),
        (WHOLE[:48], "truncated.*pipe"),
        (WHOLE[:49], "truncated.*pipe"),
        (wav(VALUES.astype("u1").tobytes(), 8, MULAW), "pcm_s16le.*MULAW"),
        (wav(b"", 16), "must have samples"),
        (wav(b"\0" * 360, 16, channels=9), "at most 8 channels"),
        (wav(b"\0" * 36, 16, channels=0), "not a wav file"),
        (wav(b"\0" * 36, 16, rate=0), "in Hz"),
        (wav(b"\0" * 36, 16, rate=16), "in Hz"),
        (wav(b"\0\0\xc0\x7f" * 3, 32, FLOAT), "NaN may only"),
        (wav(b"\0\0\x80\x7f" * 3, 32, FLOAT), "infinite"),
        (
            wav(np.full(3, 9e3, "<f4").tobytes(), 32, FLOAT),
            "look like integers",
        ),
    ],
    ids=range(17),
)
def test_what_cannot_be_read_names_the_file(content, message, tmp_path):
    path = tmp_path / "what.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_recording(path)
    assert "what.wav" in str(error.value)
    assert "Received: " in str(error.value)


def test_a_stereo_file_that_ends_within_a_frame_is_truncated(tmp_path):
    path = tmp_path / "what.wav"
    path.write_bytes(wav(b"\0" * 40, 16, channels=2)[:-6])
    with pytest.raises(ValueError, match="what.wav"):
        read_recording(path)


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.wav"):
        read_recording(tmp_path / "absent.wav")


@pytest.mark.parametrize("path", [None, 3, b"a.wav", io.BytesIO(WHOLE)])
def test_what_is_no_path_is_a_value_error(path):
    with pytest.raises(ValueError, match="`path` must be.*Received: path="):
        read_recording(path)


def test_a_folder_names_the_function_for_folders(tmp_path):
    for path in (tmp_path, str(tmp_path)):
        with pytest.raises(ValueError, match="recordings_from_directory.*path"):
            read_recording(path)


def test_the_rate_is_checked(tmp_path):
    (tmp_path / "a.wav").write_bytes(WHOLE)
    with pytest.raises(ValueError, match="in Hz"):
        read_recording(tmp_path / "a.wav", sampling_rate=None)


def test_without_scipy_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.io.wavfile", None)
    with pytest.raises(ImportError, match=r"keras-reprogram\[audio\]"):
        read_recording("a.wav")
