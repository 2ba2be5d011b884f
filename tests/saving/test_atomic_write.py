"""Files that are replaced whole, whatever happens while they are written."""

import os
import stat
import subprocess
import sys

import pytest

from keras_reprogram.saving import atomic_write as module
from keras_reprogram.saving.atomic_write import atomic_write

pytestmark = pytest.mark.numpy_alone


def write(path, content=b"new"):
    with atomic_write(path) as stream:
        stream.write(content)


def names(folder):
    return {path.name for path in folder.iterdir()}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("old", [0o600, 0o640, 0o644, 0o666, 0o755])
def test_a_replaced_file_keeps_its_mode(tmp_path, old):
    path = tmp_path / "task.program"
    path.touch()
    path.chmod(old)
    write(path)
    assert mode(path) == old
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_of_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        write(tmp_path / "task.program")
    finally:
        os.umask(before)
    assert mode(tmp_path / "task.program") == 0o666 & ~umask


def test_content_is_never_more_readable_than_the_file_was(tmp_path):
    path = tmp_path / "task.program"
    path.touch(0o600)
    with atomic_write(path):
        (partial,) = tmp_path.glob(".keras-reprogram.*")
        assert mode(partial) == 0o600


@pytest.mark.parametrize("old, new", [(0o640, 0o600), (0o666, 0o666)])
def test_another_group_gets_nothing(tmp_path, monkeypatch, old, new):
    path = tmp_path / "task.program"
    path.touch()
    path.chmod(old)
    found = list(path.stat())
    found[5] += 1  # the group, which only an administrator can give
    partial = tmp_path / "partial"
    partial.touch()
    monkeypatch.setattr(os, "chown", lambda *args: None)
    module.keep_owner_and_mode(partial, os.stat_result(found))
    assert mode(partial) == new


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_one_and_its_target_is_replaced(tmp_path, there):
    (tmp_path / "disk").mkdir()
    target = tmp_path / "disk" / "task.program"
    if there:
        target.write_bytes(b"old")
    (tmp_path / "second").symlink_to("disk/task.program")
    (tmp_path / "first").symlink_to(tmp_path / "second")
    write(tmp_path / "first")
    assert (tmp_path / "first").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == {"disk", "first", "second"}
    assert names(tmp_path / "disk") == {"task.program"}


def test_a_hard_link_keeps_the_old_content(tmp_path):
    (tmp_path / "one").write_bytes(b"old")
    os.link(tmp_path / "one", tmp_path / "two")
    write(tmp_path / "one")
    assert (tmp_path / "two").read_bytes() == b"old"


@pytest.mark.parametrize(
    "name", ["n" * 255, "[a-z]*?.program", "a\nb", " ", "%s{0}", "ü" * 127]
)
def test_any_name_that_a_file_may_have(tmp_path, name):
    (tmp_path / ".keras-reprogram.mine").write_bytes(b"mine")
    for content in (b"old", b"new"):
        write(tmp_path / name, content)
        assert (tmp_path / name).read_bytes() == content
    assert names(tmp_path) == {name, ".keras-reprogram.mine"}


@pytest.mark.parametrize("name", ["folder", "missing/file", "file/file", "."])
def test_what_is_no_place_for_a_file_is_a_value_error(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="Received: "):
        write(tmp_path / name)
    assert names(tmp_path) == {"folder", "file"}


def test_more_places_that_a_file_does_not_go_to(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for name in ("loop", "pipe", "n" * 256):
        with pytest.raises(ValueError, match="Received: "):
            write(tmp_path / name)
    assert names(tmp_path) == {"loop", "pipe"}


def test_a_file_that_is_protected_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "task.program"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(ValueError, match="protected"):
        write(path)
    assert path.read_bytes() == b"old"


def test_a_folder_that_is_protected_is_a_value_error(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ValueError, match="folder that must be writable"):
        write(tmp_path / "task.program")


@pytest.mark.parametrize(
    "function", ["fsync", "replace", "open", "chmod", "scandir", "stat"]
)
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt()]
)
def test_whatever_fails_leaves_one_whole_file_and_no_other(
    tmp_path, monkeypatch, function, error
):
    path = tmp_path / "task.program"
    original = getattr(os, function)
    for moment in range(9):
        path.write_bytes(b"old")
        calls = []

        def failing(*args, calls=calls, moment=moment, **kwargs):
            calls.append(args)
            if len(calls) == moment + 1:
                raise error
            return original(*args, **kwargs)

        monkeypatch.setattr(os, function, failing)
        try:
            write(path, b"new" * 10**5)
        except (OSError, ValueError, KeyboardInterrupt):
            pass
        monkeypatch.setattr(os, function, original)
        assert path.read_bytes() in (b"old", b"new" * 10**5)
        assert names(tmp_path) == {"task.program"}, (function, moment)


def test_an_exception_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "task.program"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        with atomic_write(path) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"task.program"}


SCRIPT = """
import importlib.util, os, pathlib, signal, sys, types
specification = importlib.util.spec_from_file_location("m", sys.argv[1])
module = importlib.util.module_from_spec(specification)
specification.loader.exec_module(module)
with module.atomic_write(pathlib.Path(sys.argv[2])) as stream:
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_while_writing(path):
    command = [sys.executable, "-c", SCRIPT, module.__file__, path]
    assert subprocess.run(command, check=False).returncode < 0


def test_what_a_killed_process_left_of_a_file_is_removed(tmp_path):
    path, other = tmp_path / "run", tmp_path / "run.npz"
    (tmp_path / ".run.npz.backup").write_bytes(b"mine")
    path.write_bytes(b"old")
    kill_while_writing(path)
    assert path.read_bytes() == b"old"
    left = names(tmp_path) - {"run", ".run.npz.backup"}
    assert len(left) == 1
    write(other)  # another file
    assert left < names(tmp_path)
    write(path)
    assert names(tmp_path) == {"run", "run.npz", ".run.npz.backup"}


def test_what_another_writes_at_the_same_time_is_left_alone(tmp_path):
    path = tmp_path / "task.program"
    with atomic_write(path) as first:
        first.write(b"first")
        write(path, b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == {"task.program"}


def test_without_locks_old_remains_alone_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "fcntl", None)
    path = tmp_path / "task.program"
    prefix = module.short_name(path)
    young = tmp_path / f"{prefix}.{'0' * 16}.part"
    old = tmp_path / f"{prefix}.{'1' * 16}.part"
    for partial in (young, old):
        partial.touch()
    os.utime(old, (0, 0))
    write(path)
    assert names(tmp_path) == {"task.program", young.name}
