"""A program on disk: what was learned, without the source.

A program file is a zip archive of `program.json` and one `.npy` array for
each learned variable. Reading it runs no code: the configuration may name
only the classes below, and arrays are read without pickle.
"""

import json
import os
import pathlib
import secrets
import zipfile
import zlib
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import PACKAGE
from keras_reprogram.sources import differences
from keras_reprogram.sources import fingerprint

FORMAT = "keras-reprogram program"
VERSION = 1
HEADER = "program.json"
LARGEST_HEADER = 64 * 2**20
LARGEST_TENSOR = 2**28
KERAS_MODULES = {
    "keras": (keras, {"DTypePolicy"}),
    "keras.initializers": (keras.initializers, None),
    "keras.regularizers": (keras.regularizers, None),
}
# What building from a wrong configuration, or reading a broken archive, may
# raise; each means that the file is not a valid program.
SYMPTOMS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def save(model: Any, filepath: str | os.PathLike) -> None:
    """Writes a model's program whole, or leaves the old file as it was."""
    filepath = pathlib.Path(filepath)
    variables = [
        ops.convert_to_numpy(variable.value)
        for variable in model.program_variables
    ]
    header = {
        "format": FORMAT,
        "version": VERSION,
        "input_reprogrammer": keras.saving.serialize_keras_object(
            model.input_reprogrammer
        ),
        "label_mapper": keras.saving.serialize_keras_object(model.label_mapper),
        "variables": [
            {"shape": list(value.shape), "dtype": value.dtype.name}
            for value in variables
        ],
        "source": fingerprint(model.source),
    }
    partial = filepath.with_name(f".{filepath.name}.{secrets.token_hex(4)}")
    try:
        with open(partial, "xb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(HEADER, json.dumps(header))
                for index, value in enumerate(variables):
                    with archive.open(member(index), "w") as file:
                        np.lib.format.write_array(
                            file,
                            np.asarray(value, order="C"),
                            allow_pickle=False,
                        )
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, filepath)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def load(
    cls: type,
    filepath: str | os.PathLike,
    source: keras.Model,
    check_source: bool,
) -> Any:
    """Reads a program and puts it in front of a source."""
    if not os.path.isfile(filepath):
        raise ValueError(
            f"`filepath` must be a program file. Received: {filepath}"
        )
    try:
        with zipfile.ZipFile(filepath) as archive:
            header = read_header(archive)
            variables = read_variables(archive, header["variables"])
    except SYMPTOMS as error:
        raise invalid(filepath, error) from error
    if check_source:
        found = differences(source, header["source"])
        if found:
            raise ValueError(
                "The program was trained on another source: "
                f"{'; '.join(found)}. Pass the source that it was trained "
                "on, or `check_source=False`. Received: source="
                f"{source.name}"
            )
    try:
        check_sizes(header, variables, source)
        ends = {
            end: keras.saving.deserialize_keras_object(header[end])
            for end in ("input_reprogrammer", "label_mapper")
        }
        model = cls(source=source, **ends)
        assign(model.program_variables, variables)
        model.label_mapper.is_solved.assign(1)
    except SYMPTOMS as error:
        raise invalid(filepath, error) from error
    return model


def invalid(filepath: str | os.PathLike, error: Exception) -> ValueError:
    return ValueError(
        "The file is not a valid program, or was damaged: "
        f"{type(error).__name__}: {error}. Received: {filepath}"
    )


def member(index: int) -> str:
    return f"variables/{index}.npy"


def read_header(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Reads the configuration and checks that it names nothing unknown."""
    if archive.getinfo(HEADER).file_size > LARGEST_HEADER:
        raise ValueError("the configuration is too large")
    header = json.loads(archive.read(HEADER))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError("the configuration is not that of a program")
    if header.get("version") != VERSION:
        raise ValueError(
            f"the format's version is {header.get('version')}, not {VERSION}"
        )
    for end, name in (
        ("input_reprogrammer", "InputReprogrammer"),
        ("label_mapper", "LabelMapper"),
    ):
        if header[end]["class_name"] != name:
            raise ValueError(f"`{end}` is not an {name}")
        # What the layer was built on follows from its config and the source.
        header[end].pop("build_config", None)
        check_names(header[end])
    if not isinstance(header["source"], dict):
        raise ValueError("the source's fingerprint is not a dictionary")
    expected = {HEADER, *map(member, range(len(header["variables"])))}
    if set(archive.namelist()) != expected:
        raise ValueError("the archive's members are not those of a program")
    return header


def check_names(config: Any) -> None:
    """Raises unless every object in a config is one that a program holds."""
    if isinstance(config, list):
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


def read_variables(
    archive: zipfile.ZipFile, declared: list[dict[str, Any]]
) -> list[np.ndarray]:
    """Reads the arrays, each only after its size is known to be as said."""
    values = []
    for index, variable in enumerate(declared):
        shape, dtype = tuple(variable["shape"]), np.dtype(variable["dtype"])
        check_tensor(shape)
        size = archive.getinfo(member(index)).file_size
        expected = int(np.prod(shape)) * dtype.itemsize
        if not expected < size <= expected + 4096:
            raise ValueError(f"{member(index)} has a wrong size")
        with archive.open(member(index)) as file:
            value = np.lib.format.read_array(file, allow_pickle=False)
            trailing = file.read(1)  # reads to the end, where the CRC is
        if value.shape != shape or value.dtype != dtype or trailing:
            raise ValueError(f"{member(index)} is not what was declared")
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ValueError(f"{member(index)} holds NaN or infinity")
        values.append(value)
    return values


def check_tensor(shape: tuple) -> None:
    if (
        not all(
            isinstance(size, int) and 0 <= size <= LARGEST_TENSOR
            for size in shape
        )
        or int(np.prod(shape, dtype=float)) > LARGEST_TENSOR
    ):
        raise ValueError(f"a tensor of shape {shape} is absurd")


def check_sizes(
    header: dict[str, Any],
    variables: list[np.ndarray],
    source: keras.Model,
) -> None:
    """Raises before anything of an absurd size is built."""
    for key in ("source_shape", "target_shape"):
        shape = header["input_reprogrammer"]["config"][key]
        if isinstance(shape, dict):  # a tuple, as Keras serializes it
            shape = shape["config"]["value"]
        check_tensor(tuple(size or 1 for size in shape))
    classes = header["label_mapper"]["config"]["num_classes"]
    matrix = (source.outputs[0].shape[-1], classes)
    check_tensor(matrix)
    if matrix not in [value.shape for value in variables]:
        raise ValueError(f"there is no label map of shape {list(matrix)}")


def assign(variables: list[keras.Variable], values: list[np.ndarray]) -> None:
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [value.shape for value in values]:
        raise ValueError(
            f"the variables should have the shapes {shapes}, not "
            f"{[value.shape for value in values]}"
        )
    for variable, value in zip(variables, values):
        variable.assign(value)
