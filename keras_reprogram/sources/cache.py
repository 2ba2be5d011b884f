"""Where converted models are kept."""

import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable


def kept_preset(
    cache_directory: str | os.PathLike | None,
    name: str,
    write: Callable[[pathlib.Path], None],
) -> str:
    """Path of a preset, written to the cache whole or not at all.

    Args:
        cache_directory: Where presets are kept. Defaults to
            `$XDG_CACHE_HOME/keras-reprogram`, or `~/.cache/keras-reprogram`.
        name: The preset's name.
        write: Writes the preset's files into a directory; called where there
            is no such preset yet.
    """
    if cache_directory is None:
        home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        cache_directory = pathlib.Path(home).expanduser() / "keras-reprogram"
    preset = pathlib.Path(cache_directory) / name
    if preset.exists():
        return str(preset)
    preset.parent.mkdir(parents=True, exist_ok=True)
    partial = pathlib.Path(tempfile.mkdtemp(dir=preset.parent))
    try:
        write(partial)
        os.replace(partial, preset)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        # Another process may have written the same preset meanwhile.
        if not isinstance(error, OSError) or not preset.exists():
            raise
    return str(preset)
