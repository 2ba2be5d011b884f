"""Reading a program's archive, whoever wrote it.

Nothing here runs code from the file, builds an object or allocates more than
the constants below allow.
"""

import json
import math
import os
import zipfile
from typing import Any

import keras
import numpy as np

from keras_reprogram.configurable import PACKAGE
from keras_reprogram.inputs import InputEnd
from keras_reprogram.labels import LabelEnd

FORMAT = "keras-reprogram program"
VERSION = 1
HEADER = "program.json"
LARGEST_HEADER = 64 * 2**20  # bytes
LARGEST_SAMPLE = 2**25  # values
LARGEST_LABEL_MAP = 2**28  # values
LARGEST_TOTAL = 2**30  # bytes
MOST_VARIABLES = 1000
DTYPES = ("float16", "float32", "float64", "int32")
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
KERAS_MODULES = {
    "keras": (keras, {"DTypePolicy"}),
    "keras.initializers": (keras.initializers, None),
    "keras.regularizers": (keras.regularizers, None),
}
# Numbers of things.
NO_SIZES = ("seed", "padding_token")
# Lists of what a source numbers: its tokens, its classes.
NUMBERED = ("candidates", "groups", "kinds", "prompt_tokens", "tokens")
ENDS = {"input_reprogrammer": InputEnd, "label_mapper": LabelEnd}
FINGERPRINT = {
    "model": str,
    "input_shape": list,
    "output_shape": list,
    "parameters": int,
    "weights": list,
}


def read(
    filepath: str | os.PathLike,
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Reads a program's header and arrays.

    Raises:
        Exception: Of any kind, where the file is not a valid program.
    """
    with zipfile.ZipFile(filepath) as archive:
        check_members(archive)
        header = read_header(archive)
        return header, read_variables(archive, header["variables"])


def member(index: int) -> str:
    return f"variables/{index}.npy"


def check_members(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if len(members) > MOST_VARIABLES + 1:
        raise ValueError("the archive has too many members")
    if any(info.compress_type not in COMPRESSIONS for info in members):
        raise ValueError("a member is compressed in an unknown way")
    if archive.getinfo(HEADER).file_size > LARGEST_HEADER:
        raise ValueError("the configuration is too large")
    names = [HEADER, *map(member, range(len(members) - 1))]
    if sorted(info.filename for info in members) != sorted(names):
        raise ValueError("the archive's members are not those of a program")


def read_header(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Reads the configuration and checks that it names nothing unknown."""
    header = json.loads(archive.read(HEADER))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError("the configuration is not that of a program")
    if header.get("version") != VERSION:
        raise ValueError(
            f"the format's version is {header.get('version')}, not {VERSION}"
        )
    for end, kind in ENDS.items():
        # What the layer was built on follows from its config and the source.
        header[end].pop("build_config", None)
        check_names(header[end])
        name = header[end]["registered_name"]
        if not issubclass(keras.saving.get_registered_object(name), kind):
            raise ValueError(f"`{end}` is not an {kind.__name__}")
    check_fingerprint(header["source"])
    check_shapes(header)
    return header


def check_names(config: Any) -> None:
    """Raises unless every object in a config is one that a program holds."""
    if isinstance(config, (list, tuple)):
        for item in config:
            check_names(item)
    if not isinstance(config, dict):
        return
    if "class_name" in config and not is_allowed(config):
        raise ValueError(
            f"the configuration names {config.get('module')}."
            f"{config['class_name']} ({config.get('registered_name')}), which "
            "no program holds"
        )
    for item in config.values():
        check_names(item)


def is_allowed(config: dict[str, Any]) -> bool:
    name = config["class_name"]
    if not isinstance(name, str):
        return False
    if name == "__tuple__":
        return True
    module, names = KERAS_MODULES.get(config.get("module"), (None, set()))
    if module is not None:
        known = names is None or name in names
        return known and isinstance(getattr(module, name, None), type)
    return (
        config.get("registered_name") == f"{PACKAGE}>{name}"
        and keras.saving.get_registered_object(f"{PACKAGE}>{name}") is not None
    )


def check_fingerprint(fingerprint: Any) -> None:
    for key, kind in FINGERPRINT.items():
        if type(fingerprint[key]) is not kind:
            raise ValueError(f"the source's `{key}` is not a {kind.__name__}")
    for key, kinds in (
        ("input_shape", (int, type(None))),
        ("output_shape", (int, type(None))),
        ("weights", (str,)),
    ):
        if any(type(item) not in kinds for item in fingerprint[key]):
            raise ValueError(f"the source's `{key}` holds something else")


def check_shapes(header: dict[str, Any]) -> None:
    """Raises if something absurdly large would be built from the config."""
    for end in ENDS:
        # No variable has more than two sizes that its config names.
        largest = sorted(sizes(header[end]["config"]))[-2:]
        check_size(tuple(largest), LARGEST_LABEL_MAP)
    for key in ("source_shape", "target_shape"):
        shape = config_shape(header, key) or ()
        check_size(tuple(size or 1 for size in shape), LARGEST_SAMPLE)
    if header["label_mapper"]["class_name"] != "LabelMapper":
        return
    classes = header["label_mapper"]["config"]["num_classes"]
    matrix = [header["source"]["output_shape"][-1], classes]
    check_size(tuple(matrix), LARGEST_LABEL_MAP)
    if not any(
        shape == matrix or (len(shape) == 2 and shape[0] == classes)
        for shape in (variable["shape"] for variable in header["variables"])
    ):
        raise ValueError(f"there is no label map of shape {matrix}")


def sizes(config: Any) -> list[int]:
    """All integers of a config but for seeds and numbers of things."""
    if isinstance(config, dict):
        # Of such a list, how many there are is a size: not their numbers.
        items = [
            len(item) if key in NUMBERED and isinstance(item, list) else item
            for key, item in config.items()
            if key not in NO_SIZES
        ]
    elif isinstance(config, (list, tuple)):
        items = config
    else:
        return [config] if type(config) is int and config > 0 else []
    return [size for item in items for size in sizes(item)]


def config_shape(
    header: dict[str, Any], key: str
) -> tuple[int | None, ...] | None:
    """A shape that the config of the input's end names, if it does."""
    shape = header["input_reprogrammer"]["config"].get(key)
    if isinstance(shape, dict):  # a tuple, as Keras serializes it
        shape = shape["config"]["value"]
    if shape is None:
        return None
    if not isinstance(shape, (tuple, list)):
        raise ValueError(f"`{key}` is not a shape")
    return tuple(shape)


def check_size(shape: tuple, largest: int) -> int:
    """Returns the number of values of a tensor, if it is a sensible one."""
    if not all(type(size) is int and 0 <= size <= largest for size in shape):
        raise ValueError(f"a tensor of shape {shape} is absurd")
    if math.prod(shape) > largest:
        raise ValueError(f"a tensor of shape {shape} is absurd")
    return math.prod(shape)


def read_variables(
    archive: zipfile.ZipFile, declared: list[dict[str, Any]]
) -> list[np.ndarray]:
    """Reads the arrays, each only after its size is known to be as said."""
    if len(declared) != len(archive.infolist()) - 1:
        raise ValueError("there are not as many variables as declared")
    sizes = []
    for index, variable in enumerate(declared):
        if variable["dtype"] not in DTYPES:
            raise ValueError(f"{member(index)} has a wrong dtype")
        values = check_size(tuple(variable["shape"]), LARGEST_TOTAL)
        sizes.append(values * np.dtype(variable["dtype"]).itemsize)
        size = archive.getinfo(member(index)).file_size
        if not sizes[-1] < size <= sizes[-1] + 4096:
            raise ValueError(f"{member(index)} has a wrong size")
    if sum(sizes) > LARGEST_TOTAL:
        raise ValueError("the variables are too large")
    return [
        read_array(archive, index, variable)
        for index, variable in enumerate(declared)
    ]


def read_array(
    archive: zipfile.ZipFile, index: int, variable: dict[str, Any]
) -> np.ndarray:
    with archive.open(member(index)) as file:
        value = np.lib.format.read_array(file, allow_pickle=False)
        trailing = file.read(1)  # reads to the end, where the CRC is
    shape, dtype = tuple(variable["shape"]), np.dtype(variable["dtype"])
    if value.shape != shape or value.dtype != dtype or trailing:
        raise ValueError(f"{member(index)} is not what was declared")
    if not np.isfinite(value).all():
        raise ValueError(f"{member(index)} holds NaN or infinity")
    return value
