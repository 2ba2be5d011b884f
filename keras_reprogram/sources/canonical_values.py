"""Canonical forms of numbers, arrays and texts for a fingerprint.

The forms do not depend on the backend, on the type that holds a number, or on
digits beyond those of float32.
"""

import hashlib
import json

import keras
import numpy as np
from keras import ops

from keras_reprogram.typing import Tensor

MAX_TEXT_LENGTH = 200
# The magnitude up to which float32 represents all integers.
MAX_EXACT_INTEGER = 2**24


def is_float(dtype: object) -> bool:
    return "float" in str(dtype)


def is_array(value: object) -> bool:
    return isinstance(value, (keras.Variable, np.ndarray, np.generic)) or (
        bool(ops.is_tensor(value))
    )


def canonical_number(value: Tensor) -> float | int | str:
    """Rounds a real number to float32; infinity and NaN become text."""
    with np.errstate(all="ignore"):
        value = float(str(np.float32(value)))
    if not np.isfinite(value):
        return str(value)
    return value if value % 1 else int(value)


def canonical_array(value: Tensor) -> object:
    """Returns a number for an array of one value, else shape and digest."""
    values = numpy_values(value)
    kind = values.dtype.kind
    if kind not in "biufc":
        return shortened(str(values.tolist()))
    if values.size == 1:
        item = values.reshape(()).item()
        if kind == "c":
            real, imaginary = map(canonical_number, (item.real, item.imag))
            return f"{real} and {imaginary}j"
        return canonical_number(item) if kind == "f" else item
    shape = "x".join(map(str, values.shape))
    return f"{shape}:{short_digest(content_of(values, kind))}"


def numpy_values(value: Tensor) -> np.ndarray:
    """Converts a variable, tensor or array, with floats as float32."""
    if isinstance(value, keras.Variable):
        value = value.value
    if ops.is_tensor(value):
        if is_float(value.dtype):
            value = ops.cast(value, "float32")
        value = ops.convert_to_numpy(value)
    values = np.asarray(value)
    if is_float(values.dtype):
        with np.errstate(all="ignore"):
            values = values.astype("float32")
    return values


def content_of(values: np.ndarray, kind: str) -> bytes:
    """Returns bytes that are equal for equal values."""
    if kind == "f":
        return values.tobytes()
    if kind == "c":
        return b"complex" + values.astype("complex64").tobytes()
    if kind == "b":
        return b"bool" + values.tobytes()
    if values.size and not (
        -MAX_EXACT_INTEGER <= values.min() and values.max() <= MAX_EXACT_INTEGER
    ):
        return str(values.ravel().tolist()).encode()
    # Integers have the digest of the same numbers as floats.
    return values.astype("float32").tobytes()


def short_digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def as_text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def shortened(text: str) -> str:
    """Replaces the end of a long text by a digest."""
    if len(text) <= MAX_TEXT_LENGTH:
        return text
    return f"{text[:MAX_TEXT_LENGTH]}...{short_digest(text.encode())}"
