"""Converted models that are kept, and those that were damaged."""

import json
import os
import pathlib
import shutil
import signal
import stat
import threading
import warnings

import pytest

from keras_reprogram.pretrained import cache
from keras_reprogram.pretrained.cache import cached_preset

pytestmark = pytest.mark.numpy_alone
CONTENT = {"config.json": b"{}", "model.safetensors": b"weights" * 1000}


class Writing:
    """Writes a preset, and counts how often."""

    def __init__(self):
        self.times = 0

    def __call__(self, directory):
        self.times += 1
        for name, content in CONTENT.items():
            (directory / name).write_bytes(content)
        (directory / "assets").mkdir()
        (directory / "assets" / "vocab.txt").write_bytes(b"a\nb\n")


def is_whole(preset):
    return cache.damage_of(preset) is None and all(
        (preset / name).read_bytes() == content
        for name, content in CONTENT.items()
    )


def silent(*args):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return cached_preset(*args)


def test_a_preset_is_written_once(tmp_path):
    write = Writing()
    for _ in range(2):
        assert silent(tmp_path / "a" / "b", "tiny", write) == str(
            tmp_path / "a" / "b" / "tiny"
        )
    assert write.times == 1
    assert is_whole(tmp_path / "a" / "b" / "tiny")
    assert os.listdir(tmp_path / "a" / "b") == ["tiny"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_preset_is_as_readable_as_the_umask_says(tmp_path, umask):
    before = os.umask(umask)
    try:
        cached_preset(tmp_path / "cache", "tiny", Writing())
    finally:
        os.umask(before)
    for path in [tmp_path / "cache", *(tmp_path / "cache").rglob("*")]:
        mode = 0o777 if path.is_dir() else 0o666
        assert stat.S_IMODE(path.stat().st_mode) == mode & ~umask, path


def truncate(preset):
    os.truncate(preset / "model.safetensors", 10)


def flip(preset):
    content = bytearray((preset / "model.safetensors").read_bytes())
    content[100] ^= 1
    (preset / "model.safetensors").write_bytes(content)


def empty(preset):
    for path in sorted(preset.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def folder_for(name):
    def damage(preset):
        (preset / name).unlink()
        (preset / name / "inner").mkdir(parents=True)
        (preset / name / "inner" / "file").touch()

    return damage


def link_for(name, target):
    def damage(preset):
        (preset / name).unlink()
        (preset / name).symlink_to(target)

    return damage


def fifo_for(name):
    def damage(preset):
        (preset / name).unlink()
        os.mkfifo(preset / name)

    return damage


def file_for_folder(preset):
    shutil.rmtree(preset / "assets")
    (preset / "assets").touch()


def link_for_folder(preset):
    shutil.rmtree(preset / "assets")
    (preset / "assets").symlink_to("nowhere")


def listing(text):
    return lambda preset: (preset / cache.MANIFEST).write_text(text)


def listing_without_a_file(preset):
    (preset / cache.MANIFEST).write_text("{}")
    (preset / "config.json").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip,
        empty,
        lambda preset: (preset / "config.json").unlink(),
        lambda preset: (preset / "assets" / "vocab.txt").unlink(),
        lambda preset: (preset / cache.MANIFEST).unlink(),
        lambda preset: (preset / cache.MANIFEST).write_text("[" * 100_000),
        lambda preset: (preset / cache.MANIFEST).write_text('{"a": 1}'),
        lambda preset: os.truncate(preset / cache.MANIFEST, 20),
        *(
            damage
            for name in ("config.json", "assets/vocab.txt", cache.MANIFEST)
            for damage in (
                folder_for(name),
                fifo_for(name),
                link_for(name, "nowhere"),
                link_for(name, "/dev/zero"),
                link_for(name, pathlib.Path(name).name),  # to itself
            )
        ),
        file_for_folder,
        link_for_folder,
        listing_without_a_file,
        *map(
            listing,
            [
                "{}",
                "[]",
                "null",
                '{"config.json": [1e999, "x"]}',
                '{"config.json": [NaN, "x"]}',
                '{"config.json": ["2", "x"]}',
                '{"config.json": [2, 3]}',
                '{"config.json": [true, "x"]}',
                '{"config\\u0000.json": [1, "x"]}',
                '{"\\ud800": [1, "x"]}',
                '{"": [1, "x"]}',
                '{".": [1, "x"]}',
                json.dumps({"a" * 10_000: [1, "x"]}),
            ],
        ),
    ],
)
def test_a_damaged_preset_is_written_again_with_one_warning(tmp_path, damage):
    write, preset = Writing(), tmp_path / "tiny"
    cached_preset(tmp_path, "tiny", write)
    preset.chmod(0o700)
    damage(preset)
    (preset / "notes.txt").write_bytes(b"mine")
    with pytest.warns(UserWarning, match="damaged.*Received: ") as caught:
        assert tiny_preset(tmp_path, write) == str(preset)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert write.times == 2
    assert is_whole(preset)
    assert (preset / "notes.txt").read_bytes() == b"mine"
    assert preset.stat().st_mode & 0o055 == 0o055 & ~umask()
    assert silent(tmp_path, "tiny", write) == str(preset)
    assert os.listdir(tmp_path) == ["tiny"]


@pytest.mark.parametrize("outside", ["../mine", "{}/mine", "assets/../../mine"])
def test_a_listing_is_not_followed_out_of_its_preset(tmp_path, outside):
    write, preset = Writing(), tmp_path / "tiny"
    cached_preset(tmp_path, "tiny", write)
    (tmp_path / "mine").write_bytes(b"mine")
    listed = json.loads((preset / cache.MANIFEST).read_text())
    name = outside.format(tmp_path)
    listed[name] = cache.size_and_digest(tmp_path / "mine")
    (preset / cache.MANIFEST).write_text(json.dumps(listed))
    with pytest.warns(UserWarning, match="damaged"):
        tiny_preset(tmp_path, write)
    assert is_whole(preset)
    assert (tmp_path / "mine").read_bytes() == b"mine"


@pytest.mark.parametrize("changed", [b"a\nb\n", b"mine"])
def test_a_link_out_of_a_preset_is_replaced_and_not_written_through(
    tmp_path, changed
):
    write, preset = Writing(), tmp_path / "tiny"
    cached_preset(tmp_path, "tiny", write)
    (preset / "assets").rename(tmp_path / "mine")
    (tmp_path / "mine" / "vocab.txt").write_bytes(changed)
    (preset / "assets").symlink_to(tmp_path / "mine")
    with pytest.warns(UserWarning, match="damaged"):
        tiny_preset(tmp_path, write)
    assert is_whole(preset) and not (preset / "assets").is_symlink()
    assert (tmp_path / "mine" / "vocab.txt").read_bytes() == changed


@pytest.mark.parametrize("target", [None, "nowhere", "tiny", "mine", "fifo"])
def test_what_is_in_the_place_of_a_preset_is_replaced(tmp_path, target):
    write, preset = Writing(), tmp_path / "tiny"
    (tmp_path / "mine").write_bytes(b"mine")
    if target is None:
        preset.write_bytes(b"{}")
    elif target == "fifo":
        os.mkfifo(preset)
    else:
        preset.symlink_to(target)
    with pytest.warns(UserWarning, match="damaged.*not a dir") as caught:
        assert tiny_preset(tmp_path, write) == str(preset)
    assert len(caught) == write.times == 1
    assert is_whole(preset) and not preset.is_symlink()
    assert silent(tmp_path, "tiny", write) == str(preset)
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert sorted(os.listdir(tmp_path)) == ["mine", "tiny"]


def test_a_preset_may_be_a_link_to_a_directory(tmp_path):
    write, preset = Writing(), tmp_path / "cache" / "tiny"
    cached_preset(tmp_path, "elsewhere", write)
    preset.parent.mkdir()
    preset.symlink_to(tmp_path / "elsewhere")
    assert silent(preset.parent, "tiny", write) == str(preset)
    truncate(preset)
    with pytest.warns(UserWarning, match="damaged"):
        tiny_preset(preset.parent, write)
    assert preset.is_symlink() and is_whole(tmp_path / "elsewhere")


def tiny_preset(directory, write):
    return cached_preset(directory, "tiny", write)


def umask():
    value = os.umask(0)
    os.umask(value)
    return value


@pytest.mark.parametrize(
    "error", [ImportError("no package"), PermissionError(13, "not yours")]
)
def test_an_unlisted_preset_that_cannot_be_written_again_is_used(
    tmp_path, error
):
    def fail(directory):
        raise error

    cached_preset(tmp_path, "tiny", Writing())
    (tmp_path / "tiny" / cache.MANIFEST).unlink()
    with pytest.warns(UserWarning, match="earlier version"):
        assert cached_preset(tmp_path, "tiny", fail) == str(tmp_path / "tiny")
    truncate(tmp_path / "tiny")
    (tmp_path / "tiny" / cache.MANIFEST).write_text("{")
    with pytest.raises((ImportError, ValueError)):
        cached_preset(tmp_path, "tiny", fail)


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left"), KeyboardInterrupt(), ValueError("digest")],
)
@pytest.mark.parametrize("there", [True, False])
def test_a_preset_that_fails_leaves_nothing_behind(tmp_path, error, there):
    def fail(directory):
        (directory / "config.json").write_bytes(b"half")
        raise error

    if there:
        cached_preset(tmp_path, "tiny", Writing())
        truncate(tmp_path / "tiny")
    with pytest.raises(type(error)):
        cached_preset(tmp_path, "tiny", fail)
    assert os.listdir(tmp_path) == (["tiny"] if there else [])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cached_preset(tmp_path, "tiny", Writing())
    assert is_whole(tmp_path / "tiny")


def test_a_place_that_cannot_be_written_is_a_value_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for directory in (tmp_path / "file", tmp_path / "file" / "cache"):
        with pytest.raises(ValueError, match="pass as `cache_directory`"):
            cached_preset(directory, "tiny", Writing())
    (tmp_path / "loop").symlink_to("loop")
    for directory in (tmp_path / "loop", tmp_path / ("a" * 1000)):
        with pytest.raises(ValueError, match="pass as `cache_directory`"):
            cached_preset(directory, "tiny", Writing())

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(ValueError, match="pass as `cache_directory`"):
        cached_preset(tmp_path / "cache", "tiny", Writing())
    monkeypatch.undo()
    cached_preset(tmp_path / "cache", "tiny", Writing())
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    silent(tmp_path / "cache", "tiny", Writing())  # It is only read.


def test_two_that_write_at_once_write_it_once(tmp_path):
    write, found = Writing(), []
    threads = [
        threading.Thread(
            target=lambda: found.append(cached_preset(tmp_path, "tiny", write))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [str(tmp_path / "tiny")] * 4
    assert write.times == 1
    assert is_whole(tmp_path / "tiny")


def test_what_a_killed_process_left_is_removed(tmp_path):
    process = os.fork()
    if not process:
        cached_preset(
            tmp_path, "tiny", lambda directory: os.kill(os.getpid(), 9)
        )
        os._exit(0)
    assert os.waitpid(process, 0)[1] == signal.SIGKILL
    (tmp_path / ".keras-reprogram.tiny.mine").mkdir()
    assert len(os.listdir(tmp_path)) == 3  # a lock and a directory
    cached_preset(tmp_path, "tiny", Writing())
    assert sorted(os.listdir(tmp_path)) == [
        ".keras-reprogram.tiny.mine",
        "tiny",
    ]


def test_the_default_place(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    expected = str(tmp_path / ".cache" / "keras-reprogram" / "tiny")
    assert cached_preset(None, "tiny", Writing()) == expected
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    expected = str(tmp_path / "other" / "keras-reprogram" / "tiny")
    assert cached_preset(None, "tiny", Writing()) == expected
    assert cached_preset("~/mine", "tiny", Writing()) == str(
        tmp_path / "mine" / "tiny"
    )
