"""Missing values of samples, which NaN marks, before and on a canvas."""

import numpy as np
from keras import ops

from keras_reprogram.dtypes import is_float
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.sample_range import ValueRange
from keras_reprogram.inputs.series.missing_values import interpolated
from keras_reprogram.inputs.series.missing_values import known_values
from keras_reprogram.inputs.valid import all_of_row
from keras_reprogram.inputs.valid import finite_rows
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import last_axis_moved

# Of the weights by which a placement multiplies samples.
SMALLEST_WEIGHT = 1e-6


def check_series(shape: Shape, data_format: str) -> None:
    """Raises a `ValueError` unless samples have one axis but the channels."""
    if len(Axes(len(shape), data_format).spatial) != 1:
        raise ValueError(
            '`missing_values="interpolate"` takes series, of shape (length,) '
            f"or with an axis of channels. Received: samples of shape {shape}"
        )


def interpolated_in_time(samples: Tensor, data_format: str) -> Tensor:
    """Returns series without missing values, each channel by itself.

    Args:
        samples: Tensor of floats, `(batch, length)` or with channels.
        data_format: String, as for `InputReprogrammer`.
    """
    (time,) = Axes(len(samples.shape) - 1, data_format).spatial
    series = ops.moveaxis(samples, time + 1, -1)
    shape = ops.shape(series)
    rows = ops.reshape(series, (-1, shape[-1]))
    rows = interpolated(rows, known_values(rows))
    return last_axis_moved(ops.reshape(rows, shape), time + 1)


def marks_of_missing(samples: Tensor) -> Tensor:
    """Returns 1 where values are missing and 0 elsewhere, as float32."""
    return ops.cast(ops.isnan(samples), "float32")


def filled(samples: Tensor, value_range: ValueRange | None) -> Tensor:
    """Returns samples with the middle of their range where values are missing.

    Args:
        samples: Tensor of floats.
        value_range: Tuple of two floats; `None` for a middle of 0.
    """
    middle = 0.0 if value_range is None else sum(value_range) / 2
    # A product with a mask would keep NaN.
    return ops.where(
        ops.isnan(samples), ops.full_like(samples, middle), samples
    )


def missing_again(canvas: Tensor, placed_marks: Tensor) -> Tensor:
    """Returns a canvas with NaN wherever a missing value has a share.

    Args:
        canvas: Tensor. A batch of canvases of `filled` samples.
        placed_marks: Tensor, broadcastable to `canvas`. What the placement
            makes of `marks_of_missing`.
    """
    is_missing = ops.abs(placed_marks) > SMALLEST_WEIGHT
    return ops.where(is_missing, ops.full_like(canvas, np.nan), canvas)


def partly_known_rows(samples: Tensor) -> Tensor | None:
    """Returns which samples hold finite numbers, and else NaN only."""
    if not is_float(samples):
        return None
    has_values = ops.logical_not(all_of_row(ops.isnan(samples)))
    return ops.logical_and(finite_rows(samples, allow_nan=True), has_values)


def without_missing_values(samples: np.ndarray) -> np.ndarray:
    """Returns samples with a value of theirs instead of missing ones.

    Raises:
        ValueError: If all values of a sample are missing.
    """
    if samples.dtype.kind != "f":
        return samples
    is_missing = np.isnan(samples)
    is_empty = is_missing.reshape(len(samples), -1).all(axis=1)
    if is_empty.any():
        raise ValueError(
            "Some value of every sample must be known: leave out samples of "
            f"NaN alone. Received: {np.count_nonzero(is_empty)} such samples "
            f"of {len(samples)}, the first at index {is_empty.argmax()}"
        )
    known = samples.reshape(-1)[is_missing.argmin()]
    return np.where(is_missing, known, samples) if is_missing.any() else samples
