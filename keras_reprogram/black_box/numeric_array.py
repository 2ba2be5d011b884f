"""Conversion of arrays and tensors of any library to NumPy."""

from typing import Any

import numpy as np


def numeric_array(value: Any) -> np.ndarray:
    """Returns a NumPy array of numbers, with NaN for masked values.

    Args:
        value: An array, a tensor of any library, a data frame, or lists.

    Raises:
        ValueError: If the value is not an array of real numbers.
    """
    value = as_convertible(value)
    if isinstance(value, (list, tuple)):
        value = [as_convertible(item) for item in value]
    try:
        array = np.asarray(value)
        if is_narrow_float(array.dtype):
            array = array.astype("float32")
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            "An array of numbers is expected, with rows of the same length. "
            f"Received: a value of type {type(value).__name__}, and {error}"
        ) from error
    if array.dtype.kind not in "biuf":
        raise ValueError(
            "An array of real numbers is expected; convert objects by "
            '`astype("float32")` if they are numbers. Received: a value of '
            f"type {type(value).__name__} with dtype {array.dtype}"
        )
    return array


def as_convertible(value: Any) -> Any:
    """Returns a value that NumPy converts without loss."""
    if hasattr(value, "detach"):  # a PyTorch tensor
        value = value.detach().cpu()
        # NumPy has no bfloat16.
        return value.double() if value.is_floating_point() else value
    if isinstance(value, np.ma.MaskedArray) and value.dtype.kind in "biuf":
        return np.ma.filled(value.astype("float64"), np.nan)
    return value


def is_narrow_float(dtype: np.dtype) -> bool:
    """Whether a dtype is bfloat16, or a narrower one of another library."""
    return dtype.kind == "V" and not dtype.name.startswith("void")
