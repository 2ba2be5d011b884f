"""Files that are replaced whole, or not at all."""

import contextlib
import errno
import hashlib
import importlib
import os
import pathlib
import re
import secrets
import stat
import time
from collections.abc import Iterator
from typing import Any
from typing import BinaryIO

fcntl: Any = None
with contextlib.suppress(ImportError):  # Windows has none.
    fcntl = importlib.import_module("fcntl")

NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
# Where files have no locks, one of this age is no longer being written.
LONGEST_WRITE = 24 * 60 * 60


@contextlib.contextmanager
def atomic_write(filepath: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A stream whose content takes the file's name once it is on the disk.

    Where writing fails or the process is killed, the old file is left as it
    was. The new one has its mode and, where that is allowed, its owner; a new
    file has the mode that the umask says. A symbolic link stays one, and the
    file that it leads to is replaced; other hard links keep the old content.
    What a killed process left unfinished of the same file is removed.

    Args:
        filepath: Path of the file.

    Raises:
        ValueError: If no file can be written there.
        OSError: If the disk is full or fails.
    """
    target = checked_target(filepath)
    remove_unfinished(target)
    partial, stream = unfinished_file(target, filepath)
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            if fcntl is not None:  # while it is locked
                os.replace(partial, target)
        if fcntl is None:  # Windows renames no open file.
            os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    synchronize_folder(target.parent)


def checked_target(filepath: str | os.PathLike[str]) -> pathlib.Path:
    """The file, there or not, that a path leads to.

    Raises:
        ValueError: If it is there and no file that may be replaced, or its
            folder is not there.
    """
    try:
        target = pathlib.Path(os.path.realpath(filepath))
        found = target.stat()
    except FileNotFoundError:
        if target.parent.is_dir():
            return target
        raise ValueError(
            "The folder of the file is not there: make it first, or pass "
            f"another path. Received: filepath={str(filepath)!r}"
        ) from None
    except OSError as error:
        raise ValueError(
            "The file cannot be written: pass another path. Received: "
            f"filepath={str(filepath)!r}, and {error.strerror}"
        ) from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise ValueError(
            "The path must be that of a file, new or to be replaced. "
            f"Received: filepath={str(filepath)!r}, which is {kind}"
        )
    if not os.access(target, os.W_OK):
        raise ValueError(
            "The file is protected from being written: pass another path, or "
            f"change its mode. Received: filepath={str(filepath)!r}"
        )
    return target


def short_name(target: pathlib.Path) -> str:
    """Name of what lies beside a file for a while, the same for each use.

    It is short where the file's name is as long as one may be, and no other
    file's name leads to it.
    """
    digest = hashlib.blake2b(os.fsencode(target.name), digest_size=8)
    return f".keras-reprogram.{digest.hexdigest()}"


def unfinished_file(
    target: pathlib.Path, filepath: str | os.PathLike[str]
) -> tuple[pathlib.Path, BinaryIO]:
    """A new, locked file beside another, and as readable as that is.

    Args:
        target: The file that it shall replace.
        filepath: The path that was passed, for messages.
    """
    while True:
        name = f"{short_name(target)}.{secrets.token_hex(8)}.part"
        partial = target.with_name(name)
        try:
            old = target.stat()
        except FileNotFoundError:
            old = None
        mode = 0o666 if old is None else stat.S_IMODE(old.st_mode) & 0o666
        try:
            descriptor = os.open(
                partial,
                os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0),
                mode,
            )
        except OSError as error:
            if error.errno not in NOT_WRITABLE:
                raise
            raise ValueError(
                "A file is written whole beside the old one, in a folder that "
                "must be writable: pass a path in another folder. Received: "
                f"filepath={str(filepath)!r}, and {error.strerror}"
            ) from error
        stream = open(descriptor, "wb")
        try:
            if lock(stream) is False or not partial.exists():
                # Somebody who was removing what is unfinished was faster.
                stream.close()
                continue
            if old is not None:
                keep_owner_and_mode(partial, old)
        except BaseException:
            stream.close()
            partial.unlink(missing_ok=True)
            raise
        return partial, stream


def keep_owner_and_mode(partial: pathlib.Path, old: os.stat_result) -> None:
    mode = stat.S_IMODE(old.st_mode)
    if hasattr(os, "chown"):
        # Only an administrator may give a file to somebody else.
        with contextlib.suppress(OSError):
            os.chown(partial, -1, old.st_gid)
        with contextlib.suppress(OSError):
            os.chown(partial, old.st_uid, -1)
        if partial.stat().st_gid != old.st_gid:
            # Another group may do what everybody may.
            everybody = mode & stat.S_IRWXO
            mode = mode & ~stat.S_IRWXG | everybody << 3
    with contextlib.suppress(OSError):  # of file systems that have no modes
        os.chmod(partial, mode)


def remove_unfinished(target: pathlib.Path) -> None:
    """Removes what killed processes have left of writing a file."""
    pattern = re.compile(
        re.escape(short_name(target)) + r"\.[0-9a-f]{16}\.part"
    )
    try:
        with os.scandir(target.parent) as entries:
            left = [
                pathlib.Path(entry.path)
                for entry in entries
                if pattern.fullmatch(entry.name)
                and entry.is_file(follow_symlinks=False)
            ]
    except OSError:  # a folder that cannot be listed
        return
    for partial in left:
        with contextlib.suppress(OSError), open(partial, "rb+") as stream:
            # A process that writes it holds its lock, a killed one does not.
            locked = lock(stream)
            age = time.time() - os.fstat(stream.fileno()).st_mtime
            if locked or (locked is None and age > LONGEST_WRITE):
                if fcntl is None:
                    stream.close()  # Windows removes no open file.
                partial.unlink(missing_ok=True)


def lock(stream: Any) -> bool | None:
    """Locks a file as long as it is open.

    Returns:
        `True`; `False` if another process holds the lock; `None` where there
        are no locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        return None
    return True


def synchronize_folder(folder: pathlib.Path) -> None:
    """Has a folder's new entry on the disk, where a folder is a file."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    # The file itself is there: what fails here loses nothing.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
