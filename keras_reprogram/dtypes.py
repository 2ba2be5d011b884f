"""Dtype checks, and integer casts without overflow."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.typing import Tensor

WIDE = ("int64", "uint32", "uint64")
LOWEST, HIGHEST = np.iinfo("int32").min, np.iinfo("int32").max


def is_float(tensor: Tensor) -> bool:
    """Whether a tensor has a floating point dtype."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return bool(keras.backend.is_float_dtype(dtype))


def is_number(array: Tensor) -> bool:
    """Whether an array or a tensor has a numeric dtype."""
    if isinstance(array, np.ndarray):
        return array.dtype.kind in "biuf" or array.dtype.name == "bfloat16"
    try:
        dtype = keras.backend.standardize_dtype(array.dtype)
    except ValueError:
        return False
    return bool(
        dtype == "bool"
        or keras.backend.is_float_dtype(dtype)
        or keras.backend.is_int_dtype(dtype)
    )


def numbers_of(name: str, values: Any, advice: str) -> Tensor:
    """Returns an array or a tensor of numbers, an array for nested lists.

    Args:
        name: String. What the values are.
        values: What a user passed.
        advice: String. How to get such an array.

    Raises:
        ValueError: If they are no numbers, or lists of different lengths.
    """
    received = f"{name} of type {type(values).__name__}"
    is_tensor = ops.is_tensor(values) or keras.utils.is_keras_tensor(values)
    if not is_tensor:
        try:
            values = np.asarray(values)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"`{name}` must be one array, with rows of one length. "
                f"{advice} Received: {received}"
            ) from error
    if not is_number(values):
        raise ValueError(
            f"`{name}` must hold numbers. {advice} Received: {received} and "
            f"dtype {values.dtype}"
        )
    return values


def comparable(integers: Tensor) -> Tensor:
    """Casts integers to a dtype in which they can be compared.

    JAX has no 64-bit integers by default, so its integers become int32.
    """
    dtype = keras.backend.standardize_dtype(integers.dtype)
    if dtype not in WIDE or keras.config.backend() == "jax":
        return ops.cast(integers, "int32")
    return ops.cast(integers, "int64")


def within_int32(integers: Tensor) -> Tensor:
    """Replaces integers that would overflow in a cast to int32.

    They become the largest int32.
    """
    dtype = keras.backend.standardize_dtype(integers.dtype)
    if dtype not in WIDE or keras.utils.is_keras_tensor(integers):
        return integers
    if isinstance(integers, np.ndarray):
        fits = (integers >= LOWEST) & (integers <= HIGHEST)
        return np.where(fits, integers, HIGHEST).astype("int32")
    if keras.config.backend() == "jax":
        return integers
    integers = ops.cast(integers, "int64")
    fits = ops.logical_and(integers >= LOWEST, integers <= HIGHEST)
    return ops.where(fits, integers, ops.full_like(integers, HIGHEST))
