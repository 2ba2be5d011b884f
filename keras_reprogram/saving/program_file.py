"""A program on disk: what was learned, without the source.

A program file is a zip archive of `program.json`, which `program_header`
describes, and one `.npy` array for each learned variable. Reading it runs no
code: the configuration may name only classes that declare what they hold,
arrays are read without pickle, and what is built is no larger than what the
file holds.
"""

import contextlib
import json
import os
import pathlib
import zipfile
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import TypeVar

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import boolean
from keras_reprogram.resolvable import serialized
from keras_reprogram.saving import program_archive
from keras_reprogram.saving import program_classes
from keras_reprogram.saving import program_header
from keras_reprogram.saving import program_limits
from keras_reprogram.saving import program_matrices
from keras_reprogram.saving import program_values
from keras_reprogram.saving.atomic_write import atomic_write
from keras_reprogram.saving.file_errors import LONGEST_PATH
from keras_reprogram.saving.file_errors import damaged
from keras_reprogram.saving.file_errors import is_short
from keras_reprogram.saving.file_errors import shortened
from keras_reprogram.saving.file_errors import with_short_errors
from keras_reprogram.saving.program_header import Header
from keras_reprogram.saving.source_check import OUTPUTS
from keras_reprogram.saving.source_check import check_fits
from keras_reprogram.saving.source_check import check_same
from keras_reprogram.sources import fingerprint
from keras_reprogram.sources import inspect_source
from keras_reprogram.sources.joined_source import parts_of

Built = TypeVar("Built")


def save(
    model: Any, filepath: str | os.PathLike[str], probe_source: bool = False
) -> None:
    """Writes a model's program whole, or leaves the old file as it was."""
    if not isinstance(filepath, (str, os.PathLike)):
        raise ValueError(
            "`filepath` must be a path, a string say. Received: filepath="
            f"{filepath!r}"
        )
    filepath = pathlib.Path(filepath)
    variables = [as_array(variable) for variable in model.program_variables]
    matrices: list[np.ndarray] = []
    inputs = [
        configuration(each, matrices)
        for each in model.input_reprogrammer.for_each_source()
    ]
    output_mapping = configuration(model.label_mapper, matrices)
    header = {
        "format": program_header.FORMAT,
        "version": program_header.VERSION,
        "inputs": inputs,
        "output": output_mapping,
        "sources": [
            fingerprint(part, probe=probe_source or None)
            for part in parts_of(model.source)
        ],
        "variables": described(variables),
        "matrices": described(matrices),
    }
    # Text of the user, which no object of a configuration may hold.
    names = output_mapping["config"].pop("class_names", None)
    if names is not None:
        header["class_names"] = names
    content = json.dumps(header, separators=(",", ":")).encode()
    check_can_be_read(model, content, variables, matrices)
    with atomic_write(filepath) as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(program_archive.HEADER, content)
            for index, value in enumerate([*variables, *matrices]):
                name = program_archive.member(index)
                with archive.open(name, "w") as file:
                    np.lib.format.write_array(
                        file,
                        np.asarray(value, order="C"),
                        allow_pickle=False,
                    )


def configuration(end: Any, matrices: list[np.ndarray]) -> dict[str, Any]:
    """Returns an end as Keras serializes it, with what its source decided.

    Args:
        end: The input transformation or the output mapping.
        matrices: List that the configuration's large matrices are added to.
    """
    taken: dict[str, Any] = program_matrices.taken_out(
        without_generators(serialized(end)), matrices
    )
    return taken


def without_generators(config: Any) -> Any:
    """A config without seed generators: values are stored, and none drawn."""
    if isinstance(config, (list, tuple)):
        return [without_generators(item) for item in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "SeedGenerator" and (
        config.get("module") == "keras.random"
    ):
        return None
    return {key: without_generators(value) for key, value in config.items()}


def described(arrays: list[np.ndarray]) -> list[dict[str, Any]]:
    return [
        {"shape": list(array.shape), "dtype": array.dtype.name}
        for array in arrays
    ]


def as_array(variable: keras.Variable) -> np.ndarray:
    value = variable.value
    if keras.backend.is_float_dtype(variable.dtype):
        # NumPy has no bfloat16: a variable is cast back when it is assigned.
        value = ops.cast(value, "float32")
    array: np.ndarray = ops.convert_to_numpy(value)
    return array


def check_can_be_read(
    model: Any,
    content: bytes,
    variables: list[np.ndarray],
    matrices: list[np.ndarray],
) -> None:
    """Raises for what `load` would refuse, before anything is written."""
    if not all(np.isfinite(value).all() for value in variables):
        raise ValueError(
            "A program of finite values alone is saved: train it again, with "
            "a lower learning rate. Received: variables with NaN or infinity"
        )
    model.input_reprogrammer.check_variables()
    model.label_mapper.check_variables()
    try:
        header = program_header.parsed(content)
        program_archive.check_total(program_header.declared_arrays(header))
        ends = program_classes.build_ends(with_matrices(header, iter(matrices)))
        program_limits.check(
            ends["input_reprogrammer"],
            ends["label_mapper"],
            inspect_source(model.source),
            tuple(model.source.outputs[0].shape),
            header["variables"],
        )
        return
    except Exception as error:
        message = shortened(
            "A program file holds only what this package and Keras define, up "
            "to a size: save the whole model by `model.save`, and load it "
            f"with its `custom_objects`. Received: {error}"
        )
        if is_short(error):
            raise ValueError(message) from error
    raise ValueError(message)


@with_short_errors
def load(
    cls: Callable[..., Built],
    filepath: str | os.PathLike[str],
    source: keras.Model,
    check_source: bool | str,
) -> Built:
    """Reads a program and puts it in front of a source.

    Args:
        cls: The class of the model.
        filepath: Path of the file.
        source: The source.
        check_source: Whether to raise if the source is another one, or
            `"outputs"`, which also asks a source that is only queried.

    Returns:
        The model.
    """
    if check_source != OUTPUTS:
        check_source = boolean("check_source", check_source)
    with opened(filepath) as archive:
        expected = archive.header["sources"]
        if check_source:
            check_same(source, expected, check_source == OUTPUTS)
        with damaged(filepath):
            ends = program_classes.build_ends(
                with_matrices(archive.header, archive.matrices())
            )
        check_fits(source, expected, ends["input_reprogrammer"])
        with damaged(filepath):
            return program_values.restored(cls, ends, source, archive)
    raise AssertionError  # a context above never hides an error


@contextlib.contextmanager
def opened(
    filepath: str | os.PathLike[str],
) -> Iterator[program_archive.ProgramArchive]:
    """Opens a program file.

    Raises:
        ValueError: If there is none, or it is not valid.
    """
    if not isinstance(filepath, (str, os.PathLike)) or not os.path.isfile(
        filepath
    ):
        raise ValueError(
            "`filepath` must be a program file. Received: "
            f"{shortened(str(filepath), LONGEST_PATH)}"
        )
    with contextlib.ExitStack() as stack:
        with damaged(filepath):
            archive = stack.enter_context(program_archive.opened(filepath))
        yield archive


def with_matrices(header: Header, matrices: Iterator[np.ndarray]) -> Header:
    """Returns a header whose configurations have their matrices."""
    configurations = {key: header[key] for key in ("inputs", "output")}
    return {**header, **program_matrices.put_back(configurations, matrices)}
