"""Tensors of the Open Inference Protocol, as JSON and as bytes."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np

from keras_reprogram.black_box.host_call import numeric_array
from keras_reprogram.black_box.inference_endings import HEADER_LENGTH
from keras_reprogram.black_box.inference_transport import InferenceError
from keras_reprogram.black_box.inference_transport import Reply

DTYPES = {
    "BOOL": np.dtype("bool"),
    "UINT8": np.dtype("uint8"),
    "UINT16": np.dtype("uint16"),
    "UINT32": np.dtype("uint32"),
    "UINT64": np.dtype("uint64"),
    "INT8": np.dtype("int8"),
    "INT16": np.dtype("int16"),
    "INT32": np.dtype("int32"),
    "INT64": np.dtype("int64"),
    "FP16": np.dtype("float16"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "FP32": np.dtype("float32"),
    "FP64": np.dtype("float64"),
}
# Each type of floats has all integers up to this one.
LARGEST_INTEGERS = {"BF16": 2**8, "FP16": 2**11, "FP32": 2**24, "FP64": 2**53}
MOST_AXES = 32


# === Requests ===


def typed(inputs: Any, datatype: str) -> np.ndarray:
    """Returns inputs as an array of a model's data type.

    Raises:
        ValueError: If the type cannot hold them: numbers that are not finite,
            fractions and numbers out of range for integers, other numbers
            than 0 and 1 for Booleans, integers that floats change.
    """
    array = numeric_array(inputs)
    if array.ndim == 0:
        raise ValueError(
            "Inputs must be of shape (n, ...). Received: one number"
        )
    if datatype in LARGEST_INTEGERS:
        return as_floats(array, datatype)
    dtype = DTYPES[datatype]
    low, high = (0, 1) if datatype == "BOOL" else integer_limits(dtype)
    if array.dtype.kind == "f":
        array = array.astype("float64")
        # Floats have no largest 64-bit integer, but all powers of two.
        wrong = (array != np.round(array)) | (array < low)
        wrong |= array >= float(high + 1)
    elif array.dtype.kind == "b":
        wrong = np.zeros(array.shape, bool)
    else:
        wrong = (array < low) | (array > high)
    if wrong.any():
        raise ValueError(
            f"The model's input is of type {datatype}: pass whole numbers "
            f"from {low} to {high}, rounded where they are fractions. "
            f"Received: {np.count_nonzero(wrong)} of {array.size} that are "
            f"not, such as {array[wrong].flat[0]}"
        )
    return array.astype(dtype)


def integer_limits(dtype: np.dtype) -> tuple[int, int]:
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def as_floats(array: np.ndarray, datatype: str) -> np.ndarray:
    dtype, largest = DTYPES[datatype], LARGEST_INTEGERS[datatype]
    if array.dtype.kind in "iu":
        large = (array > largest) | (array < -largest)
        for value in array[large].tolist():
            with np.errstate(over="ignore"):
                changed = float(np.asarray(value).astype(dtype)) != value
            if changed:
                raise ValueError(
                    f"The model's input is of type {datatype}, which cannot "
                    f"hold all integers beyond {largest}: scale them first. "
                    f"Received: {value}"
                )
    with np.errstate(over="ignore"):
        found = array.astype(dtype)
    finite = np.isfinite(found)
    if not finite.all():
        raise ValueError(
            f"Inputs must be finite numbers that {dtype} can hold. Received: "
            f"{np.count_nonzero(~finite)} of {found.size} that are not"
        )
    return found


def encoded(
    name: str,
    datatype: str,
    array: np.ndarray,
    output_name: str | None,
    classification: int | None,
    binary: bool,
) -> tuple[bytes, dict[str, str]]:
    """Returns the body and the headers of a request for an answer."""
    tensor = {"name": name, "shape": list(array.shape), "datatype": datatype}
    request: dict[str, Any] = {"inputs": [tensor]}
    wanted: dict[str, Any] = {}
    if binary:
        wanted["binary_data"] = True
    if classification is not None:
        wanted["classification"] = classification
    if output_name is not None:
        output: dict[str, Any] = {"name": output_name}
        if wanted:
            output["parameters"] = wanted
        request["outputs"] = [output]
    elif binary:
        request["parameters"] = {"binary_data_output": True}
    if not binary:
        if datatype == "BF16":
            array = array.astype("float32")
        tensor["data"] = array.ravel().tolist()
        body = json.dumps(request, allow_nan=False).encode()
        return body, {"Content-Type": "application/json"}
    data = little_endian(array).tobytes()
    tensor["parameters"] = {"binary_data_size": len(data)}
    header = json.dumps(request).encode()
    return header + data, {
        "Content-Type": "application/octet-stream",
        HEADER_LENGTH: str(len(header)),
    }


def little_endian(array: np.ndarray) -> np.ndarray:
    if array.dtype == DTYPES["BF16"]:
        array = array.view("uint16")
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


# === Replies ===


def parsed(content: bytes) -> dict[str, Any]:
    """Returns the JSON object of a reply.

    Raises:
        InferenceError: If it is none.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        text = content.decode("utf-8", "replace")
        raise InferenceError(
            f"The server's reply is not JSON, or no object. Received: {text!r}"
        )
    return found


def output_of(reply: Reply, name: str | None) -> np.ndarray:
    """Returns an output of a reply, by default the first one.

    Outputs of type BYTES are arrays of strings, and those of BF16 of float32.

    Raises:
        InferenceError: If there is none, or if it is not of its shape and
            type.
    """
    header, data = parts_of(reply)
    outputs = header.get("outputs")
    if not isinstance(outputs, list) or not all(
        isinstance(output, dict) for output in outputs
    ):
        outputs = []
    start = 0
    for output in outputs:
        size = binary_size(output)
        if name in (None, output.get("name")):
            try:
                return array_of(output, size, data[start : start + (size or 0)])
            except (TypeError, ValueError, OverflowError) as error:
                raise InferenceError(
                    "The server's reply holds no array of numbers of its data "
                    f"type and shape. Received: {error}"
                ) from error
        start += size or 0
    names = [output.get("name") for output in outputs]
    if not names:
        raise InferenceError(
            "The server's reply holds no array: it has no output. Received: "
            f"{header}"
        )
    raise InferenceError(
        f"The server's reply holds no output {name!r}: pass one of those that "
        f"there are as `output_name`. Received: outputs {names}"
    )


def parts_of(reply: Reply) -> tuple[dict[str, Any], bytes]:
    """Returns the JSON object of a reply, and the bytes behind it."""
    text = reply.headers.get(HEADER_LENGTH)
    if text is None:
        return parsed(reply.content), b""
    length = text.strip()
    if not re.fullmatch("[0-9]{1,18}", length) or int(length) > len(
        reply.content
    ):
        raise InferenceError(
            f"The server must state the bytes of JSON in {HEADER_LENGTH}. "
            f"Received: {length!r}, of {len(reply.content)} bytes in all"
        )
    return parsed(reply.content[: int(length)]), reply.content[int(length) :]


def binary_size(output: Mapping[str, Any]) -> int | None:
    """Bytes of an output, or `None` for one that is in the JSON."""
    parameters = output.get("parameters")
    if not isinstance(parameters, dict):
        return None
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise InferenceError(
            "The server must state sizes of binary data as integers of at "
            f"least 0. Received: binary_data_size={size!r}"
        )
    return size


def array_of(
    output: Mapping[str, Any], size: int | None, data: bytes
) -> np.ndarray:
    datatype, shape = output.get("datatype"), output.get("shape")
    if not isinstance(datatype, str) or datatype not in (*DTYPES, "BYTES"):
        raise ValueError(f"a data type {datatype!r}")
    if (
        not isinstance(shape, list)
        or len(shape) > MOST_AXES
        or not all(type(length) is int for length in shape)
        or not all(0 <= length < 2**63 for length in shape)
    ):
        raise ValueError(f"a shape {shape!r}")
    if size is None:
        array = from_json(output.get("data"), datatype)
    elif size != len(data):
        raise ValueError(f"{len(data)} bytes, not {size}")
    else:
        array = from_bytes(data, datatype)
    if array.size != math.prod(shape):
        raise ValueError(f"{array.size} values for a shape {shape}")
    return array.reshape(shape)


def from_json(data: Any, datatype: str) -> np.ndarray:
    """Returns data in their type, and raises if it changes them."""
    if not isinstance(data, list):
        raise ValueError("no list of data")
    values = np.asarray(data, dtype=object).ravel().tolist()
    kinds = set(map(type, values))
    if datatype == "BYTES":
        if kinds - {str}:
            raise ValueError("data that are no strings")
        return np.array(values, dtype=object)
    if kinds - ({bool} if datatype == "BOOL" else {int, float}):
        raise ValueError(f"data that are none of {datatype}")
    dtype = DTYPES[datatype]
    if dtype.kind in "iu":
        low, high = integer_limits(dtype)
        # As Python numbers: a float cannot hold the largest integers.
        for value in values:
            if value != value // 1 or not low <= value <= high:
                raise ValueError(f"{value!r}, which is none of {datatype}")
        return np.array([int(value) for value in values], dtype=dtype)
    with np.errstate(over="ignore"):
        if datatype in LARGEST_INTEGERS:
            values = np.array(values, dtype="float64")
            dtype = np.dtype("float32") if datatype == "BF16" else dtype
        return np.asarray(values, dtype=dtype)


def from_bytes(data: bytes, datatype: str) -> np.ndarray:
    if datatype == "BYTES":
        return np.array(list(strings_of(data)), dtype=object)
    if datatype == "BF16":
        # The higher half of the bits of a float32.
        bits = np.frombuffer(data, "<u2").astype("uint32") << 16
        return bits.view("float32")
    if datatype == "BOOL":
        array = np.frombuffer(data, "uint8")
        if (array > 1).any():
            raise ValueError("bytes that are neither 0 nor 1")
        return array.astype(bool)
    dtype = DTYPES[datatype]
    return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)


def strings_of(data: bytes) -> list[str]:
    """Returns strings, each of which has its length before it."""
    found, start = [], 0
    while start < len(data):
        length = int.from_bytes(data[start : start + 4], "little")
        end = start + 4 + length
        if start + 4 > len(data) or end > len(data):
            raise ValueError("strings that end before their lengths")
        found.append(data[start + 4 : end].decode("utf-8", "replace"))
        start = end
    return found
