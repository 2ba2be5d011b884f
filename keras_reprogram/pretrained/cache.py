"""The cache directory of converted presets."""

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

from keras_reprogram.optional_packages import optional_package

# A file with the sizes and digests of all other files, written last.
MANIFEST = "keras_reprogram.json"
MISSING = "it does not exist"
EXCERPT_LENGTH = 80  # Characters of a text that a message shows.
# Written by a version without manifests, or only in part.
UNLISTED = f"it has no {MANIFEST}, which lists its files"
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
    """Returns the path of a preset, after writing it atomically if needed.

    A damaged preset is written again, with a warning. Other files in its
    directory are not changed.

    Args:
        cache_directory: String or path. The directory of presets. `None` for
            `$XDG_CACHE_HOME/keras-reprogram`, or `~/.cache/keras-reprogram`.
        name: String. The preset's name.
        write: Function. Writes the preset's files into a given directory.
            It is called if the preset does not exist or is damaged.

    Returns:
        A string.

    Raises:
        ValueError: If the cache cannot be written.
    """
    preset = directory_of_presets(cache_directory) / name
    if damage_of(preset) is None:
        return str(preset)
    try:
        preset.parent.mkdir(parents=True, exist_ok=True)
        with preset_lock(preset):
            # Another process may have written it meanwhile.
            damage = damage_of(preset)
            if damage is not None:
                write_atomically(preset, write, damage)
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
        # The preset may have been written while the package was installed.
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
    """Describes what is wrong with a preset, or returns `None`."""
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
        shown = repr(name[:EXCERPT_LENGTH])
        try:
            found = size_and_digest(checked_path(preset, name))
        except (OSError, ValueError):
            return f"{shown} cannot be read"
        if found != wanted:
            return f"{shown} is damaged"
    return None


def listed_files(listed: object) -> dict[str, tuple[int, str]]:
    """Returns the sizes and digests in a manifest, after checking types."""
    if (
        not isinstance(listed, dict)
        or not listed
        or not all(
            type(entry) is list and [*map(type, entry)] == [int, str]
            for entry in listed.values()
        )
    ):
        raise ValueError(
            "A manifest lists the size and digest of each file. "
            f"Received: {str(listed)[:EXCERPT_LENGTH]}"
        )
    return {name: (size, digest) for name, (size, digest) in listed.items()}


def checked_path(preset: pathlib.Path, name: str) -> pathlib.Path:
    """Returns the path of a regular file within its preset."""
    path = pathlib.Path(os.path.realpath(preset / name))
    if not path.is_relative_to(os.path.realpath(preset)):
        raise ValueError(
            f"A manifest must list files of its preset. Received: {name!r}"
        )
    # Reading another kind of file, such as a pipe, may never end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(f"A manifest must list files. Received: {name!r}")
    return path


def size_and_digest(path: pathlib.Path) -> tuple[int, str]:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def has_files(preset: pathlib.Path) -> bool:
    with contextlib.suppress(OSError):
        return any(preset.iterdir())
    return False


def warn_of_unlisted(preset: pathlib.Path, error: Exception) -> None:
    warnings.warn(
        "The preset was written by an earlier version, or only in part, and "
        "cannot be written again: it is used as it is. Received: "
        f"{str(preset)!r}, and {error}",
        stacklevel=4,  # The caller of the public function of a preset.
    )


@contextlib.contextmanager
def preset_lock(preset: pathlib.Path) -> Iterator[None]:
    """Locks a preset, and removes files that killed processes left."""
    path = preset.with_name(f".keras-reprogram.{preset.name}.lock")
    filelock = optional_package("filelock", "pretrained", "A preset")
    lock = filelock.FileLock(path, thread_local=False)
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        if getattr(error, "errno", None) in NOT_WRITABLE:
            raise
        yield  # The file system does not support locks.
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
        # Remove the file before the release: a waiting process notices it.
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        lock.release()


def write_atomically(
    preset: pathlib.Path,
    write: Callable[[pathlib.Path], None],
    damage: str,
) -> None:
    """Writes a preset to a temporary directory, and then renames it."""
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
        listed = {n.as_posix(): size_and_digest(partial / n) for n in names}
        (partial / MANIFEST).write_text(json.dumps(listed), "utf-8")
        if damage != MISSING:
            warnings.warn(
                f"The preset is damaged and is written again: {damage}. "
                f"Received: {str(preset)!r}",
                stacklevel=4,
            )
        if not preset.is_dir():
            preset.unlink(missing_ok=True)  # A file, or a broken link.
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
    """Moves files into a directory, in the given order."""
    for name in names:
        for parent in reversed(name.parents[:-1]):
            make_directory(preset / parent)
        place = preset / name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        os.replace(partial / name, place)
    # Earlier versions made directories that only their owner could read.
    with contextlib.suppress(OSError):
        os.chmod(preset, stat.S_IMODE(partial.stat().st_mode))


def make_directory(path: pathlib.Path) -> None:
    """Makes a directory, instead of a file or link of that name."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        path.mkdir()
