"""Requests of the Open Inference Protocol, as JSON and as bytes."""

import json
from typing import Any

import numpy as np

from keras_reprogram.black_box.inference_datatypes import DTYPES
from keras_reprogram.black_box.inference_datatypes import LARGEST_INTEGERS
from keras_reprogram.black_box.inference_datatypes import integer_limits
from keras_reprogram.black_box.inference_truncation import HEADER_LENGTH
from keras_reprogram.black_box.numeric_array import numeric_array


def to_datatype(inputs: object, datatype: str) -> np.ndarray:
    """Converts inputs to a model's data type.

    Args:
        inputs: Array-like `(n, ...)`.
        datatype: String. A data type of the protocol, such as `"FP32"`.

    Returns:
        A NumPy array.

    Raises:
        ValueError: If the type cannot hold the inputs: non-finite numbers,
            fractions or numbers out of range for integers, numbers other than
            0 and 1 for Booleans, integers that a float cannot hold exactly.
    """
    array = numeric_array(inputs)
    if array.ndim == 0:
        raise ValueError(
            "Inputs must be of shape (n, ...). Received: one number"
        )
    if datatype in LARGEST_INTEGERS:
        return to_float_datatype(array, datatype)
    dtype = DTYPES[datatype]
    low, high = (0, 1) if datatype == "BOOL" else integer_limits(dtype)
    if array.dtype.kind == "f":
        array = array.astype("float64")
        # Floats cannot hold the largest 64-bit integer, but the power of two
        # above it.
        invalid = (array != np.round(array)) | (array < low)
        invalid |= array >= float(high + 1)
    elif array.dtype.kind == "b":
        invalid = np.zeros(array.shape, bool)
    else:
        invalid = (array < low) | (array > high)
    if invalid.any():
        raise ValueError(
            f"The model's input is of type {datatype}: pass whole numbers "
            f"from {low} to {high}, rounded where they are fractions. "
            f"Received: {np.count_nonzero(invalid)} of {array.size} that are "
            f"not, such as {array[invalid].flat[0]}"
        )
    return array.astype(dtype)


def to_float_datatype(array: np.ndarray, datatype: str) -> np.ndarray:
    dtype, largest = DTYPES[datatype], LARGEST_INTEGERS[datatype]
    if array.dtype.kind in "iu":
        is_large = (array > largest) | (array < -largest)
        for value in array[is_large].tolist():
            with np.errstate(over="ignore"):
                rounded = float(np.asarray(value).astype(dtype))
            if rounded != value:
                raise ValueError(
                    f"The model's input is of type {datatype}, which cannot "
                    f"hold all integers beyond {largest}: scale them first. "
                    f"Received: {value}"
                )
    with np.errstate(over="ignore"):
        floats = array.astype(dtype)
    finite = np.isfinite(floats)
    if not finite.all():
        raise ValueError(
            f"Inputs must be finite numbers that {dtype} can hold. Received: "
            f"{np.count_nonzero(~finite)} of {floats.size} that are not"
        )
    return floats


def encode_request(
    name: str,
    datatype: str,
    array: np.ndarray,
    output_name: str | None,
    classification: int | None,
    binary: bool,
) -> tuple[bytes, dict[str, str]]:
    """Returns the body and the headers of an inference request.

    Args:
        name: String. The name of the model's input.
        datatype: String. The data type of the input.
        array: Array `(n, ...)`. The inputs, of this data type.
        output_name: String, or `None` for the first output.
        classification: Integer. The number of classes to return, or `None`.
        binary: Boolean. Whether arrays are sent and returned as bytes.
    """
    tensor: dict[str, Any] = {"name": name, "shape": list(array.shape)}
    tensor["datatype"] = datatype
    request: dict[str, Any] = {"inputs": [tensor]}
    parameters: dict[str, Any] = {}
    if binary:
        parameters["binary_data"] = True
    if classification is not None:
        parameters["classification"] = classification
    if output_name is not None:
        output: dict[str, Any] = {"name": output_name}
        if parameters:
            output["parameters"] = parameters
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
