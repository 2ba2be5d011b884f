"""Kinds of dtypes, and integers that are compared and cast without wrapping."""

from typing import Any

import keras
import numpy as np
from keras import ops

WIDE = ("int64", "uint32", "uint64")
LOWEST, HIGHEST = np.iinfo("int32").min, np.iinfo("int32").max


def is_float(tensor: Any) -> bool:
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return keras.backend.is_float_dtype(dtype)


def is_number(array: Any) -> bool:
    """Whether an array or a tensor holds numbers; reads no value."""
    if isinstance(array, np.ndarray):
        return array.dtype.kind in "biuf" or array.dtype.name == "bfloat16"
    try:
        dtype = keras.backend.standardize_dtype(array.dtype)
    except ValueError:
        return False
    return dtype == "bool" or (
        keras.backend.is_float_dtype(dtype) or keras.backend.is_int_dtype(dtype)
    )


def comparable(integers: Any) -> Any:
    """Integers of a dtype that holds what they may be compared with.

    On JAX, which has no 64 bits unless it is told to, they are of 32.
    """
    dtype = keras.backend.standardize_dtype(integers.dtype)
    if dtype not in WIDE or keras.config.backend() == "jax":
        return ops.cast(integers, "int32")
    return ops.cast(integers, "int64")


def within_int32(integers: Any) -> Any:
    """Integers whose cast to 32 bits does not make others of them.

    What 32 bits cannot hold becomes the largest number that they can.
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
