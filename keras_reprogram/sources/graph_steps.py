"""Steps of a source's graph, and the values that they pass on."""

import dataclasses
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TypeAlias

import keras

from keras_reprogram.sources.canonical_values import is_float
from keras_reprogram.typing import Tensor

# The positional and the keyword arguments of a call.
Arguments: TypeAlias = tuple[Sequence[object], Mapping[str, object]]


@dataclasses.dataclass(eq=False)
class Step:
    """A call of a layer or of an operation in a source's graph.

    Attributes:
        operation: The layer or operation; `None` for inputs and casts.
        arguments: Its positional and keyword arguments.
        text: Its canonical text.
        number: Its position in the order of computation.
    """

    operation: keras.Operation | None
    arguments: Arguments | tuple[()] = ()
    text: str = ""
    number: int = -1


@dataclasses.dataclass(eq=False)
class Value:
    """An output of a step.

    Attributes:
        step: The step that computes it.
        index: Its position among the outputs of the step.
        dtype: Its dtype.
        rank: Its number of axes.
    """

    step: Step
    index: int
    dtype: str
    rank: int


def value_like(tensor: Tensor, step: Step, index: int = 0) -> Value:
    return Value(step, index, dtype_of(tensor), len(tensor.shape))


def input_value(index: int, tensor: Tensor) -> Value:
    """Returns the value of a source's input."""
    text = f"Input({index}, {without_precision(dtype_of(tensor))})"
    return value_like(tensor, Step(None, text=text))


def as_input(value: Value, tensor: Tensor) -> Value:
    """Returns a value with the dtype and rank of a nested model's input."""
    dtype = without_precision(dtype_of(tensor))
    text = "" if dtype == without_precision(value.dtype) else f"Cast({dtype})"
    rank = len(tensor.shape)
    if rank != value.rank:
        text += f"Axes({rank})"
    if not text:
        return value
    return value_like(tensor, Step(None, ((value,), {}), text=text))


def values_in(arguments: object) -> list[Value]:
    flat = keras.tree.flatten(arguments)
    return [value for value in flat if isinstance(value, Value)]


def steps_in_order(outputs: Sequence[Value]) -> Iterator[Step]:
    """Yields the steps that outputs depend on, dependencies first."""
    done: set[int] = set()
    waiting = [(value.step, False) for value in reversed(outputs)]
    while waiting:
        step, ready = waiting.pop()
        if id(step) in done:
            continue
        if ready:
            done.add(id(step))
            yield step
            continue
        waiting.append((step, True))
        dependencies = values_in(step.arguments)
        waiting += [(value.step, False) for value in reversed(dependencies)]


def reference(value: Value) -> str:
    index = f".{value.index}" if value.index else ""
    return f"@{value.step.number}{index}"


def dtype_of(tensor: Tensor) -> str:
    return str(keras.backend.standardize_dtype(tensor.dtype))


def without_precision(dtype: object) -> object:
    """Returns `"float"` for every floating point dtype."""
    return "float" if is_float(dtype) else dtype
