"""Where converted models are kept."""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
import stat
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from keras_reprogram.optional_packages import optional_package

# Written last, with the sizes and digests of all other files.
MANIFEST = "keras_reprogram.json"
MISSING = "it is not there"
LONGEST_NAME = 80  # characters of what a message shows
# Written by a version that had no manifest, or not to its end.
UNLISTED = f"it has no {MANIFEST}, which tells what it should hold"
NOT_WRITABLE = (
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)


def cached_preset(
    cache_directory: str | os.PathLike[str] | None,
    name: str,
    write: Callable[[pathlib.Path], None],
) -> str:
    """Path of a preset, written to the cache whole or not at all.

    One that is damaged is written again, with a warning, whatever is in its
    place. Files of others in its directory are left alone.

    Args:
        cache_directory: Where presets are kept. Defaults to
            `$XDG_CACHE_HOME/keras-reprogram`, or `~/.cache/keras-reprogram`.
        name: The preset's name.
        write: Writes the preset's files into a directory; called where there
            is no such preset yet, or a damaged one.

    Raises:
        ValueError: If the cache cannot be written.
    """
    preset = directory_of_presets(cache_directory) / name
    if damage_of(preset) is None:
        return str(preset)
    try:
        preset.parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(preset):
            # Another process may have written it meanwhile.
            damage = damage_of(preset)
            if damage is not None:
                build(preset, write, damage)
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        if damage_of(preset) == UNLISTED and has_files(preset):
            warn_of_unlisted(preset, error)
            return str(preset)
        raise ValueError(
            "The cache of presets cannot be written: pass as "
            "`cache_directory` a directory that can be, or set the variable "
            "XDG_CACHE_HOME of the environment. Received: "
            f"cache_directory={str(preset.parent)!r}, and {error}"
        ) from error
    except ImportError as error:
        # What is there may have been made when the package was.
        if damage_of(preset) != UNLISTED or not has_files(preset):
            raise
        warn_of_unlisted(preset, error)
    return str(preset)


def directory_of_presets(
    cache_directory: str | os.PathLike[str] | None,
) -> pathlib.Path:
    if cache_directory is None:
        home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        cache_directory = pathlib.Path(home) / "keras-reprogram"
    try:
        return pathlib.Path(cache_directory).expanduser()
    except RuntimeError as error:
        raise ValueError(
            "There is no home directory: pass `cache_directory`. Received: "
            f"cache_directory={str(cache_directory)!r}"
        ) from error


def damage_of(preset: pathlib.Path) -> str | None:
    """What is wrong with a preset, or `None`."""
    if not os.path.lexists(preset):
        return MISSING
    if not os.path.isdir(preset):
        return "it is not a directory"
    if not os.path.lexists(preset / MANIFEST):
        return UNLISTED
    try:
        content = checked_path(preset, MANIFEST).read_text("utf-8")
        expected = listed_files(json.loads(content))
    except (OSError, ValueError, RecursionError):
        return f"its {MANIFEST} is damaged"
    for name, wanted in expected.items():
        shown = repr(name[:LONGEST_NAME])
        try:
            found = description(checked_path(preset, name))
        except (OSError, ValueError):
            return f"{shown} cannot be read"
        if found != wanted:
            return f"{shown} is damaged"
    return None


def listed_files(listed: Any) -> dict[str, tuple[int, str]]:
    """The sizes and digests in a manifest that anyone may have written."""
    valid = (
        type(listed) is dict
        and listed
        and all(
            type(entry) is list and [*map(type, entry)] == [int, str]
            for entry in listed.values()
        )
    )
    if not valid:
        raise ValueError(
            "A manifest lists the size and digest of each file. "
            f"Received: {str(listed)[:LONGEST_NAME]}"
        )
    return {name: (size, digest) for name, (size, digest) in listed.items()}


def checked_path(preset: pathlib.Path, name: str) -> pathlib.Path:
    """The path of a regular file, which is within its preset."""
    path = pathlib.Path(os.path.realpath(preset / name))
    if not path.is_relative_to(os.path.realpath(preset)):
        raise ValueError(
            f"A preset lists its own files alone. Received: {name!r}"
        )
    # Another one, such as a pipe, may have no end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(f"A preset lists files alone. Received: {name!r}")
    return path


def description(path: pathlib.Path) -> tuple[int, str]:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def has_files(preset: pathlib.Path) -> bool:
    with contextlib.suppress(OSError):
        return any(preset.iterdir())
    return False


def warn_of_unlisted(preset: pathlib.Path, error: Exception) -> None:
    warnings.warn(
        "The preset was written by an earlier version, or not to its end, and "
        "cannot be written again: it is used as it is. Received: "
        f"{str(preset)!r}, and {error}",
        stacklevel=4,  # of who called the function of one preset
    )


@contextlib.contextmanager
def one_at_a_time(preset: pathlib.Path) -> Iterator[None]:
    """Lets one process write a preset, and removes what killed ones left."""
    path = preset.with_name(f".keras-reprogram.{preset.name}.lock")
    filelock = optional_package("filelock", "pretrained", "A preset")
    lock = filelock.FileLock(path, thread_local=False)
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        if getattr(error, "errno", None) in NOT_WRITABLE:
            raise
        yield  # a file system without locks
        return
    try:
        pattern = re.compile(
            re.escape(f".keras-reprogram.{preset.name}.") + "[0-9a-f]{16}"
        )
        for left in preset.parent.iterdir():
            if pattern.fullmatch(left.name) and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        # While it is held: who waits for it sees that it is gone.
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        lock.release()


def build(
    preset: pathlib.Path,
    write: Callable[[pathlib.Path], None],
    damage: str,
) -> None:
    """Writes a preset beside its place, and then puts it there."""
    partial = preset.with_name(
        f".keras-reprogram.{preset.name}.{secrets.token_hex(8)}"
    )
    partial.mkdir()
    try:
        write(partial)
        names = [
            path.relative_to(partial)
            for path in sorted(partial.rglob("*"))
            if path.is_file()
        ]
        listed = {n.as_posix(): description(partial / n) for n in names}
        (partial / MANIFEST).write_text(json.dumps(listed), "utf-8")
        if damage != MISSING:
            warnings.warn(
                f"The preset is damaged and is written again: {damage}. "
                f"Received: {str(preset)!r}",
                stacklevel=4,
            )
        if not preset.is_dir():
            preset.unlink(missing_ok=True)  # a file, or a link to nothing
        try:
            os.rename(partial, preset)
        except OSError:
            if not preset.is_dir():
                raise
            replace_files(preset, partial, [*names, pathlib.Path(MANIFEST)])
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def replace_files(
    preset: pathlib.Path, partial: pathlib.Path, names: list[pathlib.Path]
) -> None:
    """Moves files into a directory, in this order."""
    for name in names:
        for parent in reversed(name.parents[:-1]):
            make_directory(preset / parent)
        place = preset / name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        os.replace(partial / name, place)
    # That of an earlier version was its owner's alone.
    with contextlib.suppress(OSError):
        os.chmod(preset, stat.S_IMODE(partial.stat().st_mode))


def make_directory(path: pathlib.Path) -> None:
    """Makes a directory where a file, or a link to elsewhere, may be."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        path.mkdir()
