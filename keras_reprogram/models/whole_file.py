"""Files that are replaced whole, or not at all."""

import contextlib
import os
import pathlib
import secrets
from collections.abc import Iterator
from typing import BinaryIO


@contextlib.contextmanager
def written_whole(filepath: pathlib.Path) -> Iterator[BinaryIO]:
    """A stream whose content takes the file's name once it is on the disk.

    Where writing fails, the old file is left as it was.
    """
    partial = filepath.with_name(f".{filepath.name}.{secrets.token_hex(4)}")
    try:
        with open(partial, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, filepath)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
