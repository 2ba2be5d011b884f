"""Probabilities as logits and logarithms, in float32 at least.

float16 has no values between 0 and 6e-8 or between 0.9995 and 1.
"""

from types import ModuleType

import keras
import numpy as np
from keras import ops

from keras_reprogram.typing import Tensor

SMALLEST_PROBABILITY = 1e-12
# Half the distance of 1 from the float32 number below it.
SMALLEST_COMPLEMENT = 2.0**-25


def as_features(
    outputs: Tensor, activation: str, library: ModuleType = ops
) -> Tensor:
    """Returns one feature for each output, a logit for a probability.

    Args:
        outputs: Tensor or array `(..., S)`. A source's outputs.
        activation: String. `"linear"` for outputs as they are, `"softmax"` for
            their logarithms, `"sigmoid"` for their logits.
        library: `keras.ops` for a tensor, `numpy` for an array.
    """
    outputs = full_precision(outputs)
    if activation == "softmax":
        return logarithm(outputs, library)
    if activation == "sigmoid":
        return logit(outputs, library)
    return outputs


def full_dtype(dtype: object) -> str:
    """Returns the dtype itself, or float32 if it has fewer bits than that."""
    name: str = keras.backend.standardize_dtype(dtype)
    return "float32" if name in ("float16", "bfloat16") else name


def full_precision(values: Tensor) -> Tensor:
    """Casts a tensor or an array to float32 unless it is more precise."""
    if isinstance(values, np.ndarray):
        is_full = values.dtype.kind == "f" and values.dtype.itemsize >= 4
        return values if is_full else values.astype("float32")
    dtype = keras.backend.standardize_dtype(values.dtype)
    if not keras.backend.is_float_dtype(dtype):
        return ops.cast(values, keras.config.floatx())
    return ops.cast(values, full_dtype(dtype))


def logarithm(probabilities: Tensor, library: ModuleType = ops) -> Tensor:
    """Returns `log(max(p, 1e-12))`.

    Args:
        probabilities: Tensor or array, of float32 at least.
        library: `keras.ops` for a tensor, `numpy` for an array.
    """
    return library.log(library.maximum(probabilities, SMALLEST_PROBABILITY))


def logit(probabilities: Tensor, library: ModuleType = ops) -> Tensor:
    """Returns `log p - log(1 - p)`, from -17.3 to 17.3.

    Args:
        probabilities: Tensor or array, of float32 at least.
        library: `keras.ops` for a tensor, `numpy` for an array.
    """
    smallest = SMALLEST_COMPLEMENT
    return library.log(library.maximum(probabilities, smallest)) - library.log(
        library.maximum(1.0 - probabilities, smallest)
    )
