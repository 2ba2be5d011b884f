"""What `ReprogrammedModel.summary` adds to Keras's table."""

import math
import shutil
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Any

import keras

from keras_reprogram.inputs.joined_transformation import JoinedTransformation
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.representation import constructor_call
from keras_reprogram.resolvable import Resolvable
from keras_reprogram.sources import FrozenSource
from keras_reprogram.sources.joined_source import parts_of

if TYPE_CHECKING:
    from keras_reprogram.models.trainer import ReprogrammingTrainer

INDENT = "  "
# How what is trained begins, not what it is.
BEGINNINGS = {"initializer", "regularizer"}


def program_summary(
    model: "ReprogrammingTrainer", line_length: int | None = None
) -> str:
    """Describes the source and the program of a model in a few lines.

    Args:
        model: A `ReprogrammedModel`.
        line_length: Integer. Defaults to `None`, the width of the terminal.
    """
    width = line_length or shutil.get_terminal_size().columns
    lines = [
        *described_source(model.frozen_source),
        *described("Input", model.input_reprogrammer),
        *described("Output", model.label_mapper),
    ]
    mapper = model.label_mapper
    if mapper.needs_data and not mapper.solved:
        lines.append(f"{INDENT}not found yet: call `adapt` or `fit`")
    return "\n".join(
        textwrap.fill(
            f" {line}",
            max(width, 40),
            subsequent_indent=INDENT * 3,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines
    )


def described_source(frozen: FrozenSource) -> Iterator[str]:
    """Yields a line for each source that a model has."""
    trained = {id(variable) for variable in frozen.trainable_variables}
    for part in parts_of(frozen.source):
        all_values = number_of_values(part.variables)
        values = number_of_values(
            [each for each in part.variables if id(each) in trained]
        )
        text = f"{all_values:,} parameters"
        text += f", {values:,} of them trained" if values else ", frozen"
        yield f"Source: {part.name} ({type(part).__name__}), {text}"


def described(name: str, part: Any) -> Iterator[str]:
    """Yields a line for a part of a program, and for those that it lists."""
    trained = ""
    if isinstance(part, keras.layers.Layer):
        count = number_of_values(part.trainable_variables)
        trained = f", {count:,} trained parameters" if count else ""
    if not isinstance(part, Resolvable):
        is_own = isinstance(part, ProgramPart)
        yield f"{name}: {constructor_call(part) if is_own else part}{trained}"
        return
    yield f"{name}: {type(part).__name__}{trained}"
    for key, value in parts_within(part):
        for line in described(key, value):
            yield INDENT + line


def parts_within(part: Resolvable) -> Iterator[tuple[str, Any]]:
    """Yields the objects that an end of a program consists of, by name."""
    if isinstance(part, JoinedTransformation):
        yield from [("transformation", item) for item in part.transformations]
    objects = part.program_objects if isinstance(part, ProgramPart) else ()
    for name in objects:
        value = getattr(part, name, None)
        if value is None or name in BEGINNINGS:
            continue
        for item in value if isinstance(value, (list, tuple)) else [value]:
            yield name, item


def number_of_values(variables: list[keras.Variable]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)
