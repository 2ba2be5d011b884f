"""Replies of the Open Inference Protocol, as JSON and as bytes."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_reprogram.black_box.inference_datatypes import DTYPES
from keras_reprogram.black_box.inference_datatypes import LARGEST_INTEGERS
from keras_reprogram.black_box.inference_datatypes import integer_limits
from keras_reprogram.black_box.inference_transport import InferenceError
from keras_reprogram.black_box.inference_transport import Reply
from keras_reprogram.black_box.inference_truncation import HEADER_LENGTH

MAX_AXES = 32


def parse_json(content: bytes) -> dict[str, Any]:
    """Returns the JSON object of a reply.

    Raises:
        InferenceError: If the content is not a JSON object.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        text = content.decode("utf-8", "replace")
        raise InferenceError(
            f"The server's reply is not JSON, or no object. Received: {text!r}"
        )
    return value


def read_output(reply: Reply, name: str | None) -> np.ndarray:
    """Returns an output of a reply.

    Outputs of type BYTES become arrays of strings, those of type BF16 arrays
    of float32.

    Args:
        reply: A `Reply`.
        name: String. The name of the output; `None` for the first one.

    Returns:
        A NumPy array.

    Raises:
        InferenceError: If there is no such output, or if its data do not have
            the declared shape and type.
    """
    header, data = split_reply(reply)
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
                return read_array(
                    output, size, data[start : start + (size or 0)]
                )
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


def split_reply(reply: Reply) -> tuple[dict[str, Any], bytes]:
    """Returns the JSON object of a reply, and the bytes after it."""
    text = reply.headers.get(HEADER_LENGTH)
    if text is None:
        return parse_json(reply.content), b""
    length = text.strip()
    if not re.fullmatch("[0-9]{1,18}", length) or int(length) > len(
        reply.content
    ):
        raise InferenceError(
            f"The server must state the bytes of JSON in {HEADER_LENGTH}. "
            f"Received: {length!r}, of {len(reply.content)} bytes in all"
        )
    return parse_json(reply.content[: int(length)]), reply.content[
        int(length) :
    ]


def binary_size(output: Mapping[str, Any]) -> int | None:
    """Returns the number of bytes of an output, or `None` for JSON data."""
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


def read_array(
    output: Mapping[str, Any], size: int | None, data: bytes
) -> np.ndarray:
    """Returns the array of an output.

    Args:
        output: Dictionary. The output in the JSON object of the reply.
        size: Integer. The declared number of bytes, or `None` for JSON data.
        data: Bytes. The bytes of the output.

    Raises:
        ValueError: If the data do not have the declared shape and type.
    """
    datatype, shape = output.get("datatype"), output.get("shape")
    if not isinstance(datatype, str) or datatype not in (*DTYPES, "BYTES"):
        raise ValueError(f"a data type {datatype!r}")
    if (
        not isinstance(shape, list)
        or len(shape) > MAX_AXES
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


def from_json(data: object, datatype: str) -> np.ndarray:
    """Converts JSON data to their data type.

    Raises:
        ValueError: If the type cannot hold the data exactly.
    """
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
        # Compared as Python numbers, since floats cannot hold the largest
        # integers.
        for value in values:
            if value != value // 1 or not low <= value <= high:
                raise ValueError(f"{value!r}, which is none of {datatype}")
        return np.array([int(value) for value in values], dtype=dtype)
    with np.errstate(over="ignore"):
        if datatype not in LARGEST_INTEGERS:
            return np.asarray(values, dtype=dtype)
        dtype = np.dtype("float32") if datatype == "BF16" else dtype
        return np.array(values, dtype="float64").astype(dtype)


def from_bytes(data: bytes, datatype: str) -> np.ndarray:
    if datatype == "BYTES":
        return np.array(read_strings(data), dtype=object)
    if datatype == "BF16":
        # A bfloat16 is the upper half of a float32.
        bits = np.frombuffer(data, "<u2").astype("uint32") << 16
        return bits.view("float32")
    if datatype == "BOOL":
        array = np.frombuffer(data, "uint8")
        if (array > 1).any():
            raise ValueError("bytes that are neither 0 nor 1")
        return array.astype(bool)
    dtype = DTYPES[datatype]
    return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)


def read_strings(data: bytes) -> list[str]:
    """Returns strings, each of which follows its length in four bytes."""
    strings, start = [], 0
    while start < len(data):
        length = int.from_bytes(data[start : start + 4], "little")
        end = start + 4 + length
        if start + 4 > len(data) or end > len(data):
            raise ValueError("strings that end before their lengths")
        strings.append(data[start + 4 : end].decode("utf-8", "replace"))
        start = end
    return strings
