"""A program on disk: what was learned, without the source.

A program file is a zip archive of `program.json` and one `.npy` array for
each learned variable. Reading it runs no code: the configuration may name
only classes of a table, arrays are read without pickle, and what is built is
no larger than what the file holds.
"""

import contextlib
import functools
import json
import os
import pathlib
import warnings
import zipfile
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import TypeVar
from typing import cast

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import boolean
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.saving import program_archive
from keras_reprogram.saving import program_classes
from keras_reprogram.saving import program_limits
from keras_reprogram.saving import program_matrices
from keras_reprogram.saving.atomic_write import atomic_write
from keras_reprogram.sources import compare_fingerprints
from keras_reprogram.sources import fingerprint
from keras_reprogram.sources import inspect_source
from keras_reprogram.sources import not_compared

ENDS = program_archive.ENDS
Function = TypeVar("Function", bound=Callable[..., Any])
# What also asks a source that is only queried.
OUTPUTS = "outputs"
LONGEST_MESSAGE = 2000  # characters
LONGEST_PATH = 300
OMISSION = " [...] "
LARGEST_NUMBERS = {
    "float16": 65504.0,
    "bfloat16": 3.3895e38,
    "float32": float(np.finfo("float32").max),
}


def save(
    model: Any, filepath: str | os.PathLike, probe_source: bool = False
) -> None:
    """Writes a model's program whole, or leaves the old file as it was."""
    if not isinstance(filepath, (str, os.PathLike)):
        raise ValueError(
            "`filepath` must be a path, a string say. Received: filepath="
            f"{filepath!r}"
        )
    filepath = pathlib.Path(filepath)
    variables = [as_array(variable) for variable in model.program_variables]
    ends = {
        end: keras.saving.serialize_keras_object(getattr(model, end))
        for end in ENDS
    }
    config = keras.saving.serialize_keras_object(
        model.input_reprogrammer.resolved_config()
    )
    ends["input_reprogrammer"]["config"] = config
    ends["label_mapper"]["config"] = keras.saving.serialize_keras_object(
        model.label_mapper.resolved_config()
    )
    if "augmentation" in config:
        config["augmentation"] = None  # Training's alone, and of any class.
    matrices: list[np.ndarray] = []
    ends = {
        end: program_matrices.taken_out(without_generators(value), matrices)
        for end, value in ends.items()
    }
    header = {
        "format": program_archive.FORMAT,
        "version": program_archive.VERSION,
        **ends,
        "variables": described(variables),
        "matrices": described(matrices),
        "source": fingerprint(model.source, probe=probe_source or None),
    }
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


def without_generators(config: Any) -> Any:
    """A config whose seeds are numbers: values are stored, and none drawn."""
    if isinstance(config, (list, tuple)):
        return [without_generators(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: None
        if key == "seed" and isinstance(value, dict)
        else without_generators(value)
        for key, value in config.items()
    }


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
    return ops.convert_to_numpy(value)


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
    program_limits.check_indices(model)
    try:
        header = program_archive.parsed(content)
        program_archive.check_total(program_archive.arrays_of(header))
        program_limits.check(
            program_classes.build_ends(with_matrices(header, iter(matrices))),
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


def with_short_errors(function: Function) -> Function:
    """Shortens messages of errors about a file, and drops their causes.

    Both hold what the file brought.
    """

    @functools.wraps(function)
    def shortening(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except ValueError as error:
            if is_short(error):
                raise
            message = shortened(str(error))
        raise ValueError(message)

    return cast(Function, shortening)


@with_short_errors
def load(
    cls: Callable[..., Any],
    filepath: str | os.PathLike[str],
    source: keras.Model,
    check_source: bool | str,
) -> Any:
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
        if check_source:
            probe = check_source == OUTPUTS
            check_same(source, archive.header["source"], probe)
        check_fits(source, archive.header)
        with damaged(filepath):
            ends = program_classes.build_ends(
                with_matrices(archive.header, archive.matrices())
            )
            return restored(cls, ends, source, archive)


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


def restored(
    cls: Callable[..., Any],
    ends: dict[str, Any],
    source: keras.Model,
    archive: program_archive.ProgramArchive,
) -> Any:
    """Returns what a class makes of both ends, with the values of a file.

    Args:
        cls: Function of `source` and both ends that builds the ends.
        ends: Both ends, not yet built.
        source: Their source.
        archive: The open file.
    """
    program_limits.check(
        ends,
        inspect_source(source),
        tuple(source.outputs[0].shape),
        archive.header["variables"],
    )
    given = matrix_index(ends["label_mapper"], archive.num_variables)
    matrix = None if given is None else archive.variable(given)
    if matrix is not None:
        check_range(matrix, ends["label_mapper"].variable_dtype)
    with program_limits.as_stored(ends, matrix):
        model = cls(source=source, **ends)
    del matrix
    restore(model, archive, given)
    return model


def with_matrices(
    header: dict[str, Any], matrices: Iterator[np.ndarray]
) -> dict[str, Any]:
    """The configurations of both ends, with their matrices."""
    return program_matrices.put_back(
        {end: header[end] for end in ENDS}, matrices
    )


def matrix_index(output_mapping: Any, num_variables: int) -> int | None:
    """The place of a label map's matrix among the variables, if it has one.

    It is the largest array of most files, and the map is built with it:
    assigned to a matrix of zeros, it would be in memory four times on
    TensorFlow.
    """
    if not isinstance(output_mapping, LabelMapper):
        return None
    mapping = output_mapping.mapping
    if mapping.num_selected(output_mapping.sources_per_target) is not None:
        return None
    return num_variables - 1 - mapping.has_bias


def restore(
    model: Any, archive: program_archive.ProgramArchive, given: int | None
) -> None:
    """Gives a model the values of a program file, one at a time.

    Args:
        model: The model.
        archive: The open file.
        given: The place of a variable that has its value already.
    """
    values = (
        None if index == given else archive.variable(index)
        for index in range(archive.num_variables)
    )
    for variable in model.input_reprogrammer.weights:
        assign(variable, next(values))
    mapper = model.label_mapper
    of_labels = mapper.complete_variables(list(values))
    if len(of_labels) != len(mapper.learned_variables):
        raise ValueError("there are not as many variables as a label map has")
    for variable, value in zip(mapper.learned_variables, of_labels):
        if value is not None:
            assign(variable, value)
    program_limits.check_indices(model)
    mapper.on_variables_loaded()


def assign(variable: keras.Variable, value: np.ndarray) -> None:
    shape, dtype = tuple(variable.shape), str(variable.dtype)
    is_float = keras.backend.is_float_dtype(dtype)
    if value.shape != shape or (value.dtype.kind == "f") != is_float:
        raise ValueError(
            f"a variable should be {dtype} of the shape {shape}, not "
            f"{value.dtype.name} of {value.shape}"
        )
    if is_float:
        check_range(value, dtype)
    variable.assign(value)


def check_range(value: np.ndarray, dtype: str) -> None:
    largest = LARGEST_NUMBERS.get(keras.backend.standardize_dtype(dtype))
    if largest and value.size and max(value.max(), -value.min()) > largest:
        raise ValueError(f"a variable holds numbers beyond {dtype}")


@contextlib.contextmanager
def damaged(filepath: str | os.PathLike) -> Iterator[None]:
    """Says of whatever is raised that the file is not valid."""
    try:
        yield
    except Exception as error:
        described = shortened(
            f"{type(error).__name__}: {error}",
            LONGEST_MESSAGE - 2 * LONGEST_PATH,
        )
        raise ValueError(
            "The file is not a valid program, or was damaged: "
            f"{described}. Received: {shortened(str(filepath), LONGEST_PATH)}"
        ) from error


def shortened(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """The beginning and the end of a text that is too long."""
    if len(text) <= longest:
        return text
    rest = longest - len(OMISSION)
    return text[: rest - rest // 2] + OMISSION + text[-(rest // 2) :]


def is_short(error: BaseException | None) -> bool:
    """Whether neither an error nor its causes say much."""
    while error is not None:
        if len(str(error)) > LONGEST_MESSAGE:
            return False
        error = error.__cause__ or error.__context__
    return True


def check_same(
    source: keras.Model,
    expected: dict[str, Any],
    probe: bool = False,
    stacklevel: int = 5,  # to whom calls `load_program`
) -> None:
    """Raises if a source is another one, and warns of what is not compared."""
    found = compare_fingerprints(source, expected, probe)
    if found:
        raise ValueError(
            "The program was trained on another source: "
            f"{'; '.join(found)}. Pass the source that it was trained on, or "
            f"`check_source=False`. Received: source={source.name}"
        )
    if probe and not expected.get("architecture", {}).get("outputs"):
        raise ValueError(
            "The program holds no outputs of its source to compare: save it "
            "with `probe_source=True`, or load it with `check_source=True`. "
            f"Received: check_source={OUTPUTS!r}"
        )
    left_open = not_compared(source, expected, probe)
    if left_open is not None:
        warnings.warn(left_open, stacklevel=stacklevel)


def check_fits(source: keras.Model, header: dict[str, Any]) -> None:
    """Raises unless the program's inputs and label map suit the source."""
    specification = inspect_source(source)
    inputs_shape = program_archive.config_shape(header, "source_shape")
    classes = header["source"]["output_shape"][-1]
    if specification.num_classes != classes:
        raise ValueError(
            f"The program maps {classes} source classes: pass a source with as "
            f"many. Received: source={source.name} with "
            f"{specification.num_classes} classes"
        )
    accepted = specification.accepted_shape
    if inputs_shape is None:  # said by the layer, when it meets the source
        return
    if len(accepted) != len(inputs_shape) or any(
        size not in (None, wanted)
        for size, wanted in zip(accepted, inputs_shape)
    ):
        raise ValueError(
            f"The program makes inputs of shape {inputs_shape}: pass a source "
            f"that takes them. Received: source={source.name}, which takes "
            f"{accepted}"
        )
