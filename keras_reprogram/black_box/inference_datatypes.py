"""Data types of the Open Inference Protocol."""

import ml_dtypes
import numpy as np

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
# Largest integer up to which a floating point type holds all integers.
LARGEST_INTEGERS = {"BF16": 2**8, "FP16": 2**11, "FP32": 2**24, "FP64": 2**53}


def integer_limits(dtype: np.dtype) -> tuple[int, int]:
    """Returns the smallest and the largest value of an integer dtype."""
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)
