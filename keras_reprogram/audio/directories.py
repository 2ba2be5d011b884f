"""Folders of wav files as arrays."""

import math
import os
import pathlib
import warnings
from collections.abc import Sequence
from typing import Any
from typing import Literal
from typing import NamedTuple

import numpy as np

from keras_reprogram.audio.wav_files import Path
from keras_reprogram.audio.wav_files import checked_path
from keras_reprogram.audio.wav_files import read_recording
from keras_reprogram.audio.waveforms import Waveforms
from keras_reprogram.audio.waveforms import checked_padding
from keras_reprogram.audio.waveforms import padded
from keras_reprogram.audio.waveforms import padded_length
from keras_reprogram.configurable import check_rate
from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import number
from keras_reprogram.representation import constructor_call

Labels = Literal["inferred"] | Sequence[int] | None

LARGEST_LABEL = np.iinfo("int32").max
WAV_SUFFIXES = (".wav", ".wave")
OTHER_SUFFIXES = (
    *(".aac", ".aif", ".aiff", ".au", ".flac", ".gsm", ".m4a", ".mp3"),
    *(".ogg", ".opus", ".wma"),
)


class Recordings(NamedTuple):
    """Recordings, their labels, and where they come from.

    Attributes:
        x: Array `(recordings, samples)` of type float32.
        y: Array `(recordings,)` of type int32, or `None` without labels.
        class_names: Tuple of strings. Of inferred labels the folders, that of
            label 0 first; of given ones the integers that occur, in order.
            Empty without labels.
        paths: Tuple of the files' paths.
    """

    x: Waveforms
    y: Any
    class_names: tuple[str, ...]
    paths: tuple[pathlib.Path, ...]

    def __repr__(self) -> str:
        return constructor_call(self)


def recordings_from_directory(
    directory: Path,
    labels: Labels = "inferred",
    class_names: Sequence[str] | None = None,
    sampling_rate: int = 16000,
    seconds: float | None = None,
    padding_value: float = math.nan,
    seed: int = 0,
    validation_split: float | None = None,
    subset: Literal["training", "validation"] | None = None,
    follow_links: bool = False,
) -> Recordings:
    """Reads a folder of wav files, with a folder for each class.

    It takes the place of `keras.utils.audio_dataset_from_directory` without
    TensorFlow, on every backend: files of any rate, type and number of channels
    become the rows of one array.

    ```
    directory/
      cat/
        a.wav
        garden/b.wav
      dog/
        c.wav
    ```

    Files and folders whose names begin with a dot are skipped, and files beside
    the folders of classes are left out with a warning. Classes are in
    alphabetical order, and the files of a class in the order of their folders
    and names.

    Example:

    ```python
    import os
    import tempfile
    from scipy.io import wavfile

    with tempfile.TemporaryDirectory() as directory:
        for name in ("cat", "dog"):
            os.mkdir(f"{directory}/{name}")
            wavfile.write(
                f"{directory}/{name}/a.wav", 8000, np.zeros(4000, "int16")
            )
        recordings = keras_reprogram.audio.recordings_from_directory(directory)
    recordings.x.shape  # (2, 8000)
    recordings.y  # [0, 1]
    recordings.class_names  # ("cat", "dog")
    ```

    Args:
        directory: Path of the folder.
        labels: `"inferred"` from the folders in `directory`; a list of
            integers of at least 0, one for each file in their order; or `None`
            for no labels. Defaults to `"inferred"`.
        class_names: List of strings. The folders that are read and the order
            of their classes, for inferred labels. Defaults to `None`, all in
            alphabetical order.
        sampling_rate: Integer. Samples per second of the result. Defaults to
            `16000`.
        seconds: Float. Length of the result: longer recordings are cropped at
            the end, shorter ones padded. Defaults to `None`, the longest of
            those that are returned.
        padding_value: Float. NaN, which marks what is missing, or a number in
            [-1, 1], such as `0.0` for sources that do not know missing samples.
            Defaults to NaN.
        seed: Integer. Which files are for validation. Defaults to `0`.
        validation_split: Float between 0 and 1. Share of the files of each
            class that are for validation. Defaults to `None`.
        subset: `"training"` or `"validation"`: which files are returned, where
            `validation_split` is given. Defaults to `None`, all.
        follow_links: Boolean. Whether linked folders within those of classes
            are read. Defaults to `False`.

    Returns:
        A named tuple `Recordings` of `x`, `y`, `class_names` and `paths`.

    Raises:
        ImportError: If SciPy is not installed.
        ValueError: If the folder, or one of a class, has no wav files, a file
            cannot be read, or arguments do not match.
    """
    sampling_rate = check_rate("sampling_rate", sampling_rate)
    length = padded_length(seconds, sampling_rate)
    padding_value = checked_padding(padding_value)
    check_subset(validation_split, subset)
    # Both subsets need the same one: `None` would mix them.
    seed = check_seed(seed)
    root = pathlib.Path(checked_path("directory", directory))
    if not root.is_dir():
        raise ValueError(
            "`directory` must be a folder that exists. Received: "
            f"directory={str(root)!r}"
        )
    paths, y, names = labeled_files(root, labels, class_names, follow_links)
    if validation_split is not None:
        strata = np.zeros(len(paths), "int32") if y is None else y
        chosen = split(strata, validation_split, seed, subset)
        paths = [paths[index] for index in chosen]
        y = None if y is None else y[chosen]
    waveforms = [
        # A copy, so that the rest of a long recording is not kept.
        read_recording(path, sampling_rate)[:length].copy()
        for path in paths
    ]
    x = padded(waveforms, length, padding_value)
    return Recordings(x, y, tuple(names), tuple(paths))


def check_subset(validation_split: float | None, subset: str | None) -> None:
    if (validation_split is None) != (subset is None) or subset not in (
        None,
        "training",
        "validation",
    ):
        raise ValueError(
            "`validation_split` is a share such as 0.2, with `subset` "
            '"training" or "validation". Received: '
            f"validation_split={validation_split}, subset={subset!r}"
        )
    if validation_split is not None and not (
        0 < number("validation_split", validation_split, 0, 1) < 1
    ):
        raise ValueError(
            "`validation_split` must be between 0 and 1. Received: "
            f"validation_split={validation_split}"
        )


def labeled_files(
    root: pathlib.Path,
    labels: Labels,
    class_names: Sequence[str] | None,
    follow_links: bool,
) -> tuple[list[pathlib.Path], Any, Sequence[str]]:
    """Returns paths, labels or `None`, and names of classes."""
    if isinstance(labels, str) and labels == "inferred":
        names = classes_of(root, class_names)
        by_class = [wav_files(root / name, follow_links) for name in names]
        counts = [len(files) for files in by_class]
        y = np.repeat(np.arange(len(names), dtype="int32"), counts)
        return sum(by_class, []), y, names
    if class_names is not None:
        raise ValueError(
            '`class_names` are for `labels="inferred"`. Received: '
            f"labels={labels!r}, class_names={class_names!r}"
        )
    paths = wav_files(root, follow_links)
    if labels is None:
        return paths, None, ()
    y = np.asarray(labels)
    if y.shape != (len(paths),) or y.dtype.kind not in "iu":
        raise ValueError(
            '`labels` must be "inferred", `None`, or an integer for each file. '
            f"Received: labels of shape {y.shape} and type {y.dtype.name} for "
            f"{len(paths)} files"
        )
    if y.min() < 0 or y.max() > LARGEST_LABEL:
        raise ValueError(
            f"`labels` must be integers from 0 to {LARGEST_LABEL}: number the "
            f"classes from 0. Received: labels from {y.min()} to {y.max()}"
        )
    return paths, y.astype("int32"), [str(label) for label in np.unique(y)]


def classes_of(
    root: pathlib.Path, class_names: Sequence[str] | None
) -> Sequence[str]:
    entries = [
        it for it in root.iterdir() if not is_hidden(pathlib.Path(it.name))
    ]
    found = sorted(it.name for it in entries if it.is_dir())
    beside = sorted(
        it.name
        for it in entries
        if it.suffix.lower() in (*WAV_SUFFIXES, *OTHER_SUFFIXES)
        and not it.is_dir()
    )
    if not found:
        raise ValueError(
            "`directory` must hold a folder for each class. For files without "
            f"labels, pass `labels=None`. Received: directory={str(root)!r}"
        )
    if beside:
        warnings.warn(
            f"{len(beside)} recordings beside the folders of classes in "
            f"{str(root)!r} were left out, such as {beside[0]}: move them into "
            "a folder of their class, or pass `labels`.",
            stacklevel=4,
        )
    if class_names is None:
        return found
    valid = not isinstance(class_names, str) and set(class_names) <= set(found)
    if not valid or not 0 < len(set(class_names)) == len(class_names):
        raise ValueError(
            f"`class_names` must be a list of folders of {str(root)!r}, each "
            f"once: {found}. Received: class_names={class_names!r}"
        )
    return class_names


def wav_files(folder: pathlib.Path, follow_links: bool) -> list[pathlib.Path]:
    """Returns the wav files in a folder and the folders in it."""
    files = [
        pathlib.Path(parent, name)
        for parent, folders, names in sorted(
            os.walk(folder, followlinks=follow_links)
        )
        for name in sorted(names)
        if not is_hidden(pathlib.Path(parent, name).relative_to(folder))
    ]
    found = [path for path in files if path.suffix.lower() in WAV_SUFFIXES]
    others = [path for path in files if path.suffix.lower() in OTHER_SUFFIXES]
    if not found:
        example = f", but {others[0].name}: convert it" if others else ""
        raise ValueError(
            f"A folder has no wav files{example}. Received: {str(folder)!r}"
        )
    if others:
        warnings.warn(
            f"{len(others)} recordings in {str(folder)!r} are no wav files and "
            f"were left out, such as {others[0].name}. Convert them: `ffmpeg "
            "-i recording.mp3 recording.wav`.",
            stacklevel=2,
        )
    return found


def is_hidden(path: pathlib.Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def split(
    labels: Waveforms, validation_split: float, seed: int, subset: str | None
) -> list[int]:
    """Returns the indices of a subset, with a share of every class."""
    generator = np.random.default_rng(seed)
    chosen: list[int] = []
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        count = round(validation_split * len(members))
        if not 0 < count < len(members):
            raise ValueError(
                "Every class needs files for training and for validation: "
                "change `validation_split`, or record more. Received: "
                f"validation_split={validation_split}, {len(members)} files "
                f"of class {label}"
            )
        of_validation = subset == "validation"
        chosen += (
            members[:count] if of_validation else members[count:]
        ).tolist()
    return sorted(chosen)
