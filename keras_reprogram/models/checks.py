"""What is wrong with data, said before anything is computed."""

from typing import Any

import numpy as np

from keras_reprogram.inputs.input_end import InputEnd
from keras_reprogram.models.batches import is_array
from keras_reprogram.models.batches import to_numpy


def check_samples(x: Any, input_end: InputEnd) -> None:
    """Raises if an array of samples has the wrong shape or holds NaN."""
    if not is_array(x):
        return
    target_shape = input_end.target_shape
    shape = tuple(x.shape[1:])
    # Keras adds a channel axis of one by itself.
    if target_shape[-1:] == (1,) and len(shape) == len(target_shape) - 1:
        shape = (*shape, 1)
    if len(shape) != len(target_shape) or any(
        wanted not in (None, size) for size, wanted in zip(shape, target_shape)
    ):
        raise ValueError(
            f"`x` must hold samples of the `{type(input_end).__name__}`'s "
            f"target_shape {target_shape}. Received: samples of shape "
            f"{tuple(x.shape[1:])}"
        )
    values = to_numpy(x)
    if values.dtype.kind not in "iufb":
        raise ValueError(
            f"`x` must hold numbers. Received: x of dtype {values.dtype}"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(
            "`x` must be finite. Received: samples with NaN or infinity"
        )
    input_end.check_values(values)


def check_lengths(x: Any, y: Any) -> None:
    """Raises unless there is one label for each sample."""
    if is_array(x) and is_array(y) and len(x) != len(y):
        raise ValueError(
            "`x` and `y` must have as many samples as each other. Received: "
            f"{len(x)} samples and {len(y)} labels"
        )
