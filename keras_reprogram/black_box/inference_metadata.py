"""What a server's metadata state of a model."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from keras_reprogram.black_box.inference_protocol import DTYPES
from keras_reprogram.black_box.inference_transport import InferenceError


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or an output, as the server's metadata state it."""

    name: str | None
    datatype: str | None
    shape: tuple[int, ...] | None


def stated(tensors: Any) -> list[Tensor]:
    """Returns what metadata state of inputs or outputs, where it is usable."""
    found = []
    for each in tensors if isinstance(tensors, list) else ():
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            continue
        datatype, shape = each.get("datatype"), each.get("shape")
        known = isinstance(shape, list) and all(
            type(size) is int for size in shape
        )
        found.append(
            Tensor(
                each["name"],
                datatype if isinstance(datatype, str) else None,
                tuple(shape) if known else None,
            )
        )
    return found


@dataclasses.dataclass(frozen=True)
class Question:
    """What is the same in all requests for answers."""

    input_name: str
    datatype: str
    output_name: str | None
    shape: tuple[int, ...] | None
    binary: bool


def question_of(
    found: Mapping[str, Any],
    input_name: str | None,
    output_name: str | None,
    classification: int | None,
    binary: bool,
) -> Question:
    """Returns what to ask about, by a model's metadata and by arguments.

    Raises:
        ValueError: If the model has no input or output of a name.
        InferenceError: If the metadata state no input, or none of numbers.
    """
    inputs = stated(found.get("inputs"))
    if not inputs and input_name is None:
        raise InferenceError(
            "The server does not name the model's inputs: pass `input_name`. "
            f"Received: {found}"
        )
    tensor = named("input_name", input_name, inputs)
    output = named("output_name", output_name, stated(found.get("outputs")))
    datatype = tensor.datatype or "FP32"
    if datatype not in DTYPES:
        raise InferenceError(
            f"The model's input must be of one of {list(DTYPES)}. Received: "
            f"an input {tensor.name!r} of {datatype!r}"
        )
    if classification is not None and output.name is None:
        raise ValueError(
            "The server does not name the model's outputs: pass "
            "`output_name`, of which a classification is wanted. Received: "
            "output_name=None"
        )
    shape = (output.shape or ())[1:]
    known = shape and all(size > 0 for size in shape)
    return Question(
        tensor.name,
        datatype,
        output_name if classification is None else output.name,
        shape if known else None,
        binary,
    )


def named(argument: str, name: str | None, tensors: list[Tensor]) -> Tensor:
    """Returns the tensor of a name, or the first one."""
    for tensor in tensors:
        if name in (None, tensor.name):
            return tensor
    if tensors:
        raise ValueError(
            f"`{argument}` must be one of {[each.name for each in tensors]}. "
            f"Received: {argument}={name!r}"
        )
    return Tensor(name, None, None)
