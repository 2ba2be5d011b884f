"""The values of a program file, given to the layers that it describes."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import TypeVar

import keras
import numpy as np

from keras_reprogram.inputs import InputTransformation
from keras_reprogram.outputs import OutputMapping
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.saving import program_limits
from keras_reprogram.saving.program_archive import ProgramArchive
from keras_reprogram.sources import inspect_source
from keras_reprogram.typing import FixedShape

Built = TypeVar("Built")
LARGEST_NUMBERS = {
    "float16": 65504.0,
    "bfloat16": 3.3895e38,
    "float32": float(np.finfo("float32").max),
}


class StoredVariables:
    """The `StoredValues` of an output mapping in an open file.

    Args:
        archive: The open file.
        start: Integer. Place of the mapping's first variable in it.

    Attributes:
        taken: Set of the places in the file that were taken.
    """

    def __init__(self, archive: ProgramArchive, start: int) -> None:
        self.archive = archive
        self.start = start
        self.taken: set[int] = set()

    def take(self, index: int, shape: FixedShape, dtype: str) -> np.ndarray:
        value = self.archive.variable(self.start + index)
        check_value(value, shape, dtype)
        self.taken.add(self.start + index)
        return value


def restored(
    make: Callable[..., Built],
    ends: dict[str, Any],
    source: keras.Model,
    archive: ProgramArchive,
) -> Built:
    """Returns what is made of both ends, with the values of a file.

    Args:
        make: Function of `source` and both ends that builds the ends, and
            returns what has them as attributes.
        ends: Both ends, not yet built.
        source: Their source.
        archive: The open file.
    """
    input_transformation: InputTransformation = ends["input_reprogrammer"]
    output_mapping: OutputMapping = ends["label_mapper"]
    split = program_limits.check(
        input_transformation,
        output_mapping,
        inspect_source(source),
        tuple(source.outputs[0].shape),
        archive.header["variables"],
    )
    stored = StoredVariables(archive, split)
    output_mapping.stored_values = stored
    try:
        with without_initializers(input_transformation):
            built = make(source=source, **ends)
    finally:
        output_mapping.stored_values = None
    restore(input_transformation, output_mapping, archive, stored.taken)
    return built


@contextlib.contextmanager
def without_initializers(part: ProgramPart) -> Iterator[None]:
    """Lets variables start at zero: no initializer of the file runs."""
    replaced = [
        (each, name, value)
        for each in parts_of(part)
        for name, value in vars(each).items()
        if isinstance(value, keras.initializers.Initializer)
    ]
    for each, name, _ in replaced:
        setattr(each, name, keras.initializers.Zeros())
    try:
        yield
    finally:
        for each, name, value in replaced:
            setattr(each, name, value)


def parts_of(part: ProgramPart) -> list[ProgramPart]:
    """Returns an object and the parts that are its attributes."""
    found: dict[int, ProgramPart] = {}
    waiting: list[Any] = [part]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (list, tuple)):
            waiting += value
        elif isinstance(value, ProgramPart) and id(value) not in found:
            found[id(value)] = value
            waiting += vars(value).values()
    return list(found.values())


def restore(
    input_transformation: InputTransformation,
    output_mapping: OutputMapping,
    archive: ProgramArchive,
    taken: set[int],
) -> None:
    """Gives both ends the values of a program file, one at a time.

    Args:
        input_transformation: Built.
        output_mapping: Built.
        archive: The open file.
        taken: Places of values that variables have already.
    """
    variables = [
        *input_transformation.weights,
        *output_mapping.learned_variables,
    ]
    if len(variables) != archive.num_variables:
        raise ValueError("there are not as many variables as both ends have")
    for index, variable in enumerate(variables):
        if index not in taken:
            value = archive.variable(index)
            shape, dtype = tuple(variable.shape), str(variable.dtype)
            check_value(value, shape, dtype)
            variable.assign(value)
    input_transformation.check_variables()
    output_mapping.on_variables_loaded()


def check_value(value: np.ndarray, shape: FixedShape, dtype: str) -> None:
    """Raises for a value that is not one of a variable."""
    is_float = keras.backend.is_float_dtype(dtype)
    if value.shape != shape or (value.dtype.kind == "f") != is_float:
        raise ValueError(
            f"a variable should be {dtype} of the shape {shape}, not "
            f"{value.dtype.name} of {value.shape}"
        )
    largest = LARGEST_NUMBERS.get(keras.backend.standardize_dtype(dtype))
    if largest and value.size and max(value.max(), -value.min()) > largest:
        raise ValueError(f"a variable holds numbers beyond {dtype}")
