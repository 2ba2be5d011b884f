"""A program on disk: what was learned, without the source.

A program file is a zip archive of `program.json` and one `.npy` array for
each learned variable. Reading it runs no code: the configuration may name
only classes of this package and a few of Keras, and arrays are read without
pickle.
"""

import json
import os
import pathlib
import zipfile
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.models import program_archive
from keras_reprogram.models.whole_file import written_whole
from keras_reprogram.sources import differences
from keras_reprogram.sources import fingerprint
from keras_reprogram.sources import inspect_source

ENDS = tuple(program_archive.ENDS)


def save(model: Any, filepath: str | os.PathLike) -> None:
    """Writes a model's program whole, or leaves the old file as it was."""
    filepath = pathlib.Path(filepath)
    variables = [as_array(variable) for variable in model.program_variables]
    ends = {
        end: keras.saving.serialize_keras_object(getattr(model, end))
        for end in ENDS
    }
    config = ends["input_reprogrammer"]["config"]
    if "augmentation" in config:
        config["augmentation"] = None  # Training's alone, and of any class.
    header = {
        "format": program_archive.FORMAT,
        "version": program_archive.VERSION,
        **ends,
        "variables": [
            {"shape": list(value.shape), "dtype": value.dtype.name}
            for value in variables
        ],
        "source": fingerprint(model.source),
    }
    check_can_be_read(header, variables)
    with written_whole(filepath) as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(program_archive.HEADER, json.dumps(header))
            for index, value in enumerate(variables):
                name = program_archive.member(index)
                with archive.open(name, "w") as file:
                    np.lib.format.write_array(
                        file,
                        np.asarray(value, order="C"),
                        allow_pickle=False,
                    )


def as_array(variable: keras.Variable) -> np.ndarray:
    value = variable.value
    if keras.backend.is_float_dtype(variable.dtype):
        # NumPy has no bfloat16: a variable is cast back when it is assigned.
        value = ops.cast(value, "float32")
    return ops.convert_to_numpy(value)


def check_can_be_read(
    header: dict[str, Any], variables: list[np.ndarray]
) -> None:
    """Raises for what `load` would refuse, before anything is written."""
    for end in ENDS:
        try:
            program_archive.check_names(header[end]["config"])
            unbuilt = {**header[end], "build_config": None}
            keras.saving.deserialize_keras_object(unbuilt)
        except Exception as error:
            raise ValueError(
                "A program file holds only what this package and Keras "
                "define: save the whole model by `model.save`, and load it "
                f"with its `custom_objects`. Received: {error}"
            ) from error
    if not all(np.isfinite(value).all() for value in variables):
        raise ValueError(
            "A program of finite values alone is saved: train it again, with "
            "a lower learning rate. Received: variables with NaN or infinity"
        )


def load(
    cls: type,
    filepath: str | os.PathLike,
    source: keras.Model,
    check_source: bool,
) -> Any:
    """Reads a program and puts it in front of a source."""
    specification = inspect_source(source)
    if not isinstance(filepath, (str, os.PathLike)) or not os.path.isfile(
        filepath
    ):
        raise ValueError(
            f"`filepath` must be a program file. Received: {filepath}"
        )
    try:
        header, variables = program_archive.read(filepath)
        inputs_shape = program_archive.config_shape(header, "source_shape")
    except Exception as error:
        raise invalid(filepath, error) from error
    if check_source:
        check_same(source, header["source"])
    check_fits(source, specification, header["source"], inputs_shape)
    try:
        ends = {
            end: keras.saving.deserialize_keras_object(header[end])
            for end in ENDS
        }
        model = cls(source=source, **ends)
        split = len(model.input_reprogrammer.weights)
        of_labels = model.label_mapper.completed(variables[split:])
        assign(model.program_variables, [*variables[:split], *of_labels])
        model.label_mapper.restored()
    except Exception as error:
        raise invalid(filepath, error) from error
    return model


def invalid(filepath: str | os.PathLike, error: Exception) -> ValueError:
    return ValueError(
        "The file is not a valid program, or was damaged: "
        f"{type(error).__name__}: {error}. Received: {filepath}"
    )


def check_same(source: keras.Model, expected: dict[str, Any]) -> None:
    found = differences(source, expected)
    if found:
        raise ValueError(
            "The program was trained on another source: "
            f"{'; '.join(found)}. Pass the source that it was trained on, or "
            f"`check_source=False`. Received: source={source.name}"
        )


def check_fits(
    source: keras.Model,
    specification: Any,
    expected: dict[str, Any],
    inputs_shape: tuple[int | None, ...] | None,
) -> None:
    """Raises unless the program's inputs and label map suit the source."""
    classes = expected["output_shape"][-1]
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


def assign(variables: list[keras.Variable], values: list[np.ndarray]) -> None:
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [value.shape for value in values]:
        raise ValueError(
            f"the variables should have the shapes {shapes}, not "
            f"{[value.shape for value in values]}"
        )
    for variable, value in zip(variables, values):
        variable.assign(value)
