"""Wav files as waveforms."""

import os
import struct
import warnings
from types import ModuleType

from keras_reprogram.audio.waveforms import Waveforms
from keras_reprogram.audio.waveforms import mono_waveform
from keras_reprogram.configurable import check_rate
from keras_reprogram.optional_packages import optional_package

Path = str | os.PathLike[str]


def read_recording(path: Path, sampling_rate: int = 16000) -> Waveforms:
    """Reads a wav file as a mono waveform.

    Samples of 8, 16, 24 or 32 bits and floats are read, of any number of
    channels up to 8 and any rate, by `scipy.io.wavfile`; see `to_waveforms` for
    how they are converted.

    Example:

    ```python
    import tempfile
    from scipy.io import wavfile

    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/second.wav"
        wavfile.write(path, 8000, np.zeros((8000, 2), "int16"))
        waveform = keras_reprogram.audio.read_recording(path)
    waveform.shape  # (16000,)
    ```

    Args:
        path: Path of the file.
        sampling_rate: Integer. Samples per second of the result. Defaults to
            `16000`.

    Returns:
        Array `(samples,)` of type float32, in [-1, 1].

    Raises:
        ImportError: If SciPy is not installed.
        OSError: If there is no such file.
        ValueError: If the file is a folder, no wav file, is truncated, holds
            no samples, or is encoded in a way that SciPy does not read.
    """
    sampling_rate = check_rate("sampling_rate", sampling_rate)
    path = checked_path("path", path)
    if os.path.isdir(path):
        raise ValueError(
            "`path` must be a wav file; for a folder of them, use "
            "`keras_reprogram.audio.recordings_from_directory`. Received: "
            f"path={path!r}"
        )
    wavfile = optional_package("scipy.io.wavfile", "audio", "A wav file")
    rate, samples = read(wavfile, path)
    rate = check_rate(f"sampling rate of {path}", rate)
    if samples.dtype.name == "int64":  # More than 32 bits, left-justified.
        samples = samples / 2.0**63
    return mono_waveform(samples, rate, sampling_rate, f"{path}: ")


def checked_path(name: str, path: Path) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(
            f"`{name}` must be a string or a `pathlib.Path`. Received: {name}="
            f"{path!r}"
        )
    return os.fspath(path)


def read(wavfile: ModuleType, path: str) -> tuple[int, Waveforms]:
    """Returns the rate and the samples of a file."""
    try:
        with warnings.catch_warnings():
            # Notes of other programs, such as the title of a song.
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            warnings.filterwarnings("error", "Reached EOF prematurely")
            rate, samples = wavfile.read(path)
    except wavfile.WavFileWarning as error:
        raise ValueError(
            "The wav file is truncated, or was written to a pipe, which leaves "
            "its length open. Record or convert it again: `ffmpeg -i "
            f"recording.wav new.wav`. Received: {path} ({error})"
        ) from error
    # What SciPy raises depends on where a file is broken.
    except (
        ArithmeticError,
        LookupError,
        NameError,
        TypeError,
        ValueError,
        struct.error,
    ) as error:
        raise ValueError(
            "The file is not a wav file of plain samples. Convert it: `ffmpeg "
            "-i recording.mp3 -c:a pcm_s16le recording.wav`. Received: "
            f"{path} ({error})"
        ) from error
    return rate, samples
