"""Folders of wav files as arrays with labels."""

import inspect

import keras
import numpy as np
import pytest

from keras_reprogram.audio import recordings_from_directory

pytestmark = pytest.mark.numpy_alone
wavfile = pytest.importorskip("scipy.io.wavfile")


def write(path, level, samples=8, rate=16000):
    """A recording that can be told from others by its level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, rate, np.full(samples, level / 100, "float32"))


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "dog/b.WAV", 3, samples=12)
    write(tmp_path / "dog/a.wav", 2)
    write(tmp_path / "cat/z.wav", 0, samples=4)
    write(tmp_path / "cat/garden/a.wav", 1)
    write(tmp_path / "cat/._z.wav", 9)
    write(tmp_path / "cat/.hidden/a.wav", 9)
    write(tmp_path / ".git/a.wav", 9)
    (tmp_path / "dog/notes.txt").write_text("b is old")
    return tmp_path


def levels(x):
    return np.round(100 * x[:, 0]).astype(int).tolist()


def test_folders_are_classes_in_alphabetical_order(folder):
    recordings = recordings_from_directory(folder)
    x, y, class_names, paths = recordings
    assert class_names == ("cat", "dog") and y.dtype == "int32"
    assert y.tolist() == [0, 0, 1, 1] and levels(x) == [0, 1, 2, 3]
    assert [path.relative_to(folder).as_posix() for path in paths] == [
        "cat/z.wav",
        "cat/garden/a.wav",
        "dog/a.wav",
        "dog/b.WAV",
    ]
    assert x.shape == (4, 12) and x.dtype == "float32"
    missing = 12 - np.isnan(x).sum(axis=1)
    assert missing.tolist() == [4, 8, 8, 12]


def test_the_order_is_that_of_keras(folder):
    from keras.src.utils.dataset_utils import index_directory

    for name in ("cat/._z.wav", "cat/.hidden/a.wav"):
        (folder / name).unlink()
    write(folder / "cat/a.wav", 4)
    write(folder / "cat/attic/b.wav", 5)
    paths, labels, names = index_directory(
        str(folder), "inferred", (".wav",), shuffle=False, verbose=False
    )
    recordings = recordings_from_directory(folder)
    assert [str(path) for path in recordings.paths] == paths
    assert recordings.y.tolist() == labels.tolist()
    assert list(recordings.class_names) == names


def test_the_arguments_are_those_of_keras_in_its_order():
    ours = inspect.signature(recordings_from_directory).parameters
    keras_has = inspect.signature(
        keras.utils.audio_dataset_from_directory
    ).parameters
    shared = [name for name in ours if name in keras_has]
    assert shared == [name for name in keras_has if name in ours]
    assert len(shared) == 8


def test_classes_are_chosen_and_ordered_by_name(folder):
    recordings = recordings_from_directory(folder, class_names=["dog", "cat"])
    assert levels(recordings.x) == [2, 3, 0, 1]
    assert recordings.y.tolist() == [0, 0, 1, 1]
    recordings = recordings_from_directory(folder, class_names=["dog"])
    assert recordings.class_names == ("dog",) and len(recordings.x) == 2


def test_labels_are_given_or_left_out(folder):
    recordings = recordings_from_directory(folder, labels=[7, 5, 7, 5])
    assert recordings.y.tolist() == [7, 5, 7, 5]
    assert recordings.class_names == ("5", "7")
    recordings = recordings_from_directory(str(folder / "cat"), labels=None)
    assert levels(recordings.x) == [0, 1]
    assert recordings.y is None and recordings.class_names == ()


def test_rate_length_and_padding(folder):
    recordings = recordings_from_directory(
        folder, sampling_rate=8000, seconds=3 / 8000, padding_value=0.0
    )
    assert recordings.x.shape == (4, 3)
    assert recordings.x[0, 2] == 0 and np.isfinite(recordings.x).all()


def test_a_split_has_its_share_of_every_class(tmp_path):
    for index in range(10):
        write(tmp_path / f"one/{index}.wav", index)
    for index in range(20):
        write(tmp_path / f"two/{index:02}.wav", 20 + index)
    arguments = dict(validation_split=0.2, seed=3)
    train = recordings_from_directory(tmp_path, subset="training", **arguments)
    validation = recordings_from_directory(
        tmp_path, subset="validation", **arguments
    )
    assert np.bincount(train.y).tolist() == [8, 16]
    assert np.bincount(validation.y).tolist() == [2, 4]
    both = levels(train.x) + levels(validation.x)
    assert sorted(both) == [*range(10), *range(20, 40)]
    assert levels(train.x) == sorted(levels(train.x))
    other = recordings_from_directory(
        tmp_path, subset="validation", validation_split=0.2, seed=4
    )
    assert levels(other.x) != levels(validation.x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": [1, 2]}, "shape \\(2,\\).*4 files"),
        ({"labels": [0.5] * 4}, "float64"),
        ({"labels": [-1, 0, 1, 0]}, "from -1 to 1"),
        ({"labels": [0, 0, 0, 2**31]}, "from 0 to 2147483648"),
        ({"directory": None}, "`directory` must be.*None"),
        ({"seed": None}, "seed=None"),
        ({"labels": "none"}, "`labels` must be"),
        ({"labels": None, "class_names": ["cat"]}, "`class_names` are for"),
        ({"class_names": ["cow"]}, "folders of.*cow"),
        ({"class_names": ["cat", "cat"]}, "each once"),
        ({"class_names": []}, "each once"),
        ({"class_names": "cat"}, "each once"),
        ({"sampling_rate": None}, "in Hz"),
        ({"sampling_rate": 16}, "in Hz"),
        ({"seconds": 0}, "one sample"),
        ({"padding_value": 3}, "`padding_value`"),
        ({"validation_split": 0.5}, "`subset`"),
        ({"subset": "training"}, "`validation_split` is a share"),
        ({"validation_split": 0.5, "subset": "both"}, "both"),
        ({"validation_split": 1.0, "subset": "training"}, "between 0 and 1"),
        ({"validation_split": 0.1, "subset": "training"}, "Every class needs"),
    ],
)
def test_arguments_that_do_not_match_are_refused(folder, arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        recordings_from_directory(**{"directory": folder, **arguments})
    assert "Received: " in str(error.value)


def test_folders_without_recordings_are_named(folder, tmp_path):
    with pytest.raises(ValueError, match="exists.*absent"):
        recordings_from_directory(folder / "absent")
    with pytest.raises(ValueError, match="labels=None.*garden"):
        recordings_from_directory(folder / "cat/garden")
    (folder / "cow").mkdir()
    with pytest.raises(ValueError, match="no wav files.*cow"):
        recordings_from_directory(folder)
    (folder / "cow/moo.mp3").write_bytes(b"ID3")
    with pytest.raises(ValueError, match="moo.mp3: convert it.*cow"):
        recordings_from_directory(folder)


def test_recordings_in_other_formats_are_left_out_with_a_warning(folder):
    (folder / "cat/song.flac").write_bytes(b"fLaC")
    with pytest.warns(UserWarning, match="1 recordings.*song.flac"):
        recordings = recordings_from_directory(folder)
    assert len(recordings.x) == 4


def test_files_beside_the_folders_are_left_out_with_one_warning(folder):
    write(folder / "b.wav", 9)
    write(folder / "a.wav", 9)
    write(folder / "._a.wav", 9)
    (folder / "notes.txt").write_text("b is old")
    with pytest.warns(UserWarning, match="2 recordings beside.*a.wav") as found:
        recordings = recordings_from_directory(folder)
    assert len(recordings.x) == 4 and len(found) == 1
    assert found[0].filename == __file__
    assert len(recordings_from_directory(folder, labels=None).x) == 6


def test_a_file_that_cannot_be_read_is_named(folder):
    (folder / "dog/c.wav").write_bytes(b"no wav")
    with pytest.raises(ValueError, match="not a wav file.*c.wav"):
        recordings_from_directory(folder)
