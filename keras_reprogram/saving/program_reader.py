"""Many program files of one source, read without a model around each."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from typing import Any

import keras

from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.saving import program_classes
from keras_reprogram.saving import program_file
from keras_reprogram.saving import program_values
from keras_reprogram.saving.file_errors import damaged
from keras_reprogram.saving.file_errors import with_short_errors
from keras_reprogram.saving.program_header import LONGEST_NAME
from keras_reprogram.saving.program_header import Header
from keras_reprogram.saving.source_check import check_fits
from keras_reprogram.saving.source_check import check_same
from keras_reprogram.sources import inspect_source

MOST_SHARED = 100  # pairs of layers that are kept for further files
# Called with the ends of a file, built or not; raises for what is not wanted.
Accept = Callable[[InputTransformation, OutputMapping], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Ends:
    """Both ends of a program, built without a model of the source.

    Args:
        source: The source.
        input_reprogrammer: The layer in front of it.
        label_mapper: The layer behind it.
    """

    source: keras.Model
    input_reprogrammer: InputTransformation
    label_mapper: OutputMapping


class ProgramReader:
    """Reads program files that were trained on one source.

    The source is compared once with all files that describe it in the same
    words. Files of the same configuration share their layers: what was built
    for the first of them gets the values of the next. A reader is for one
    thread, and for a moment in which the source does not change.

    Args:
        source: The source, a `keras.Model`.
        stacklevel: Integer. As for `warnings.warn`, from the caller of `read`.
            Defaults to `1`, that caller.
    """

    def __init__(self, source: keras.Model, stacklevel: int = 1) -> None:
        self.source = source
        self.stacklevel = stacklevel
        self.compared: set[bytes] = set()
        self.shared: dict[bytes, Ends] = {}

    @with_short_errors
    def read(
        self, filepath: str | os.PathLike[str], accept: Accept | None = None
    ) -> Ends:
        """Reads a file.

        Args:
            filepath: Path of the file.
            accept: Function of both ends that raises a `ValueError` for a
                program that is not wanted, before it is built. Defaults to
                `None`, all programs.

        Returns:
            The `Ends`, with their values until the next file is read.

        Raises:
            ValueError: If the file is not valid, or was trained on another
                source.
        """
        with program_file.opened(filepath) as archive:
            header = archive.header
            expected = header["sources"]
            if digest(expected) not in self.compared:
                check_same(
                    self.source, expected, stacklevel=self.stacklevel + 3
                )
                self.compared.add(digest(expected))
            key = configuration_digest(header)
            ends = None if key is None else self.shared.get(key)
            if ends is not None:
                check_fits(self.source, expected, ends.input_reprogrammer)
                if accept is not None:
                    accept(ends.input_reprogrammer, ends.label_mapper)
                with damaged(filepath):
                    program_values.restore(
                        ends.input_reprogrammer,
                        ends.label_mapper,
                        archive,
                        set(),
                    )
                return ends
            with damaged(filepath):
                layers = program_classes.build_ends(
                    program_file.with_matrices(header, archive.matrices())
                )
            check_fits(self.source, expected, layers["input_reprogrammer"])
            if accept is not None:
                accept(layers["input_reprogrammer"], layers["label_mapper"])
            with damaged(filepath):
                built = program_values.restored(
                    built_ends, layers, self.source, archive
                )
            if key is not None:
                if len(self.shared) >= MOST_SHARED:
                    self.shared.clear()
                self.shared[key] = built
            return built


def built_ends(
    source: keras.Model,
    input_reprogrammer: InputTransformation,
    label_mapper: OutputMapping,
) -> Ends:
    """Builds both ends as a model of the source would."""
    specification = inspect_source(source)
    input_reprogrammer.resolve(specification, source)
    label_mapper.resolve(input_reprogrammer.describe_outputs(specification))
    input_reprogrammer.build((None, *input_reprogrammer.sample_shape))
    label_mapper.build(tuple(source.outputs[0].shape))
    return Ends(source, input_reprogrammer, label_mapper)


def configuration_digest(header: Header) -> bytes | None:
    """Returns what is equal for files whose layers are the same.

    Returns:
        A digest of all but names; `None` for configurations that go on
        outside of the header.
    """
    if header.get("matrices"):
        return None
    ends = [without_names(header[key]) for key in ("inputs", "output")]
    return digest([ends, header["variables"]])


def without_names(config: Any) -> Any:
    """Returns a configuration without the valid names of its layers."""
    if isinstance(config, list):
        return [without_names(item) for item in config]
    if not isinstance(config, dict):
        return config
    found = {key: without_names(value) for key, value in config.items()}
    arguments = found.get("config")
    # A policy is nothing but its name.
    if isinstance(arguments, dict) and found.get("class_name") != "DTypePolicy":
        name = arguments.get("name")
        if isinstance(name, str) and len(name) <= LONGEST_NAME:
            del arguments["name"]
    return found


def digest(value: Any) -> bytes:
    content = json.dumps(value, sort_keys=True).encode()
    return hashlib.blake2b(content, digest_size=32).digest()
