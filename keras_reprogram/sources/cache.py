"""Where converted models are kept."""

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator


def directory(given: str | os.PathLike | None) -> pathlib.Path:
    """The directory of converted models: the given one, or the user's."""
    if given is not None:
        return pathlib.Path(given)
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(home).expanduser() / "keras-reprogram"


@contextlib.contextmanager
def written_whole(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A directory to be filled, which becomes `path` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = pathlib.Path(tempfile.mkdtemp(dir=path.parent))
    try:
        yield partial
        os.replace(partial, path)
    except OSError:
        # Another process may have written the same one meanwhile.
        if not path.exists():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
