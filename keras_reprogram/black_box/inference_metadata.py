"""Model metadata of the Open Inference Protocol."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from keras_reprogram.black_box.inference_datatypes import DTYPES
from keras_reprogram.black_box.inference_transport import InferenceError


@dataclasses.dataclass(frozen=True)
class TensorMetadata:
    """An input or output of a model, as described by its server.

    Attributes:
        name: String, or `None` if the server returns none.
        datatype: String, or `None` if the server returns none.
        shape: Tuple of integers, or `None` if the server returns none.
    """

    name: str | None
    datatype: str | None
    shape: tuple[int, ...] | None


def valid_tensors(tensors: object) -> list[TensorMetadata]:
    """Returns the inputs or outputs in metadata, as far as they are valid."""
    result = []
    for tensor in tensors if isinstance(tensors, list) else ():
        if not isinstance(tensor, dict):
            continue
        name = tensor.get("name")
        if not isinstance(name, str):
            continue
        datatype, shape = tensor.get("datatype"), tensor.get("shape")
        is_shape = isinstance(shape, list) and all(
            type(size) is int for size in shape
        )
        result.append(
            TensorMetadata(
                name,
                datatype if isinstance(datatype, str) else None,
                tuple(shape or ()) if is_shape else None,
            )
        )
    return result


@dataclasses.dataclass(frozen=True)
class RequestSettings:
    """Settings that all inference requests of a client share.

    Attributes:
        input_name: String. The name of the model's input.
        datatype: String. The data type of the input.
        output_name: String, or `None` for the first output.
        shape: Tuple of integers. The shape of an output without the batch
            axis, or `None` if it is unknown.
        binary: Boolean. Whether arrays are sent as bytes.
    """

    input_name: str
    datatype: str
    output_name: str | None
    shape: tuple[int, ...] | None
    binary: bool


def request_settings(
    metadata: Mapping[str, Any],
    input_name: str | None,
    output_name: str | None,
    classification: int | None,
    binary: bool,
) -> RequestSettings:
    """Returns the settings of requests, from metadata and arguments.

    Args:
        metadata: Dictionary. The server's metadata of the model.
        input_name: String, or `None` for the first input.
        output_name: String, or `None` for the first output.
        classification: Integer. The number of classes to return, or `None`.
        binary: Boolean. Whether arrays are sent as bytes.

    Raises:
        ValueError: If the model has no input or output of the given name.
        InferenceError: If the metadata contain no input, or none of numbers.
    """
    inputs = valid_tensors(metadata.get("inputs"))
    tensor = find_tensor("input_name", input_name, inputs)
    if tensor.name is None:
        raise InferenceError(
            "The server does not name the model's inputs: pass `input_name`. "
            f"Received: {metadata}"
        )
    outputs = valid_tensors(metadata.get("outputs"))
    output = find_tensor("output_name", output_name, outputs)
    datatype = tensor.datatype or "FP32"
    if datatype not in DTYPES:
        raise InferenceError(
            f"The model's input must be of one of {list(DTYPES)}. Received: "
            f"an input {tensor.name!r} of {datatype!r}"
        )
    if classification is not None and output.name is None:
        raise ValueError(
            "The server does not name the model's outputs: pass "
            "`output_name`, the output to classify. Received: "
            "output_name=None"
        )
    shape = (output.shape or ())[1:]
    is_known = bool(shape) and all(size > 0 for size in shape)
    return RequestSettings(
        tensor.name,
        datatype,
        output_name if classification is None else output.name,
        shape if is_known else None,
        binary,
    )


def find_tensor(
    argument: str, name: str | None, tensors: list[TensorMetadata]
) -> TensorMetadata:
    """Returns the tensor with a name, or the first one."""
    for tensor in tensors:
        if name in (None, tensor.name):
            return tensor
    if tensors:
        names = [tensor.name for tensor in tensors]
        raise ValueError(
            f"`{argument}` must be one of {names}. Received: "
            f"{argument}={name!r}"
        )
    return TensorMetadata(name, None, None)
