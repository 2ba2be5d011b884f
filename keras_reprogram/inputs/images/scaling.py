"""Conversion from the unit range to the scaling of the source's input."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.sample_range import ValueRange
from keras_reprogram.representation import constructor_call
from keras_reprogram.typing import Tensor

# One number, or one for each channel of the source's input.
Factors = float | list[float]


@dataclasses.dataclass(frozen=True, eq=False)
class Scaling:
    """Maps `[0, 1]` to the source's units: `x' = gain * x + bias`.

    Args:
        gain: Array that broadcasts to a batch of canvases.
        bias: Array that broadcasts to a batch of canvases.
    """

    gain: np.ndarray
    bias: np.ndarray

    @classmethod
    def of_range(
        cls,
        value_range: ValueRange | None,
        scale: Factors | None,
        offset: Factors | None,
        axes: Axes,
    ) -> "Scaling":
        """Returns a value range and a scaling of its values as one step.

        Args:
            value_range: Tuple of two floats, or `None` for `(0, 1)`.
            scale: Float, list, or `None` for 1.
            offset: Float, list, or `None` for 0.
            axes: `Axes` of the canvas.
        """
        low, high = value_range or (0.0, 1.0)
        factor = np.asarray(1.0 if scale is None else scale)
        shift = np.asarray(0.0 if offset is None else offset)
        return cls(
            gain=axes.along_channels(factor * (high - low)),
            bias=axes.along_channels(factor * low + shift),
        )

    __repr__ = constructor_call

    def apply(self, values: Tensor, dtype: str) -> Tensor:
        """Returns values of the unit range in the source's units."""
        return ops.add(self.scale(values, dtype), ops.cast(self.bias, dtype))

    def scale(self, values: Tensor, dtype: str) -> Tensor:
        """Returns differences of values in the source's units."""
        return ops.multiply(values, ops.cast(self.gain, dtype))

    @property
    def valid_range(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the lowest and highest value in the source's units."""
        bounds = np.stack([self.bias, self.gain + self.bias])
        return bounds.min(axis=0), bounds.max(axis=0)

    def clip(self, values: Tensor, dtype: str) -> Tensor:
        """Returns values clipped to the valid range."""
        low, high = (ops.cast(bound, dtype) for bound in self.valid_range)
        return ops.minimum(ops.maximum(values, low), high)


def check_factors(
    name: str,
    values: float | Sequence[float] | None,
    channels: int | None = None,
) -> Factors | None:
    """Returns a scale or an offset as a number or a list of numbers.

    Args:
        name: String. The argument's name.
        values: The value that was passed.
        channels: Integer. Number of channels, or `None` if it is unknown.
    """
    if values is None:
        return None
    array = np.asarray(values)
    if (
        array.dtype.kind not in "iuf"
        or array.ndim > 1
        or not np.isfinite(array).all()
        or (array.ndim and channels not in (None, array.size))
    ):
        raise ValueError(
            f"`{name}` must be a finite number, or one for each channel of "
            f"the source's input. Received: {name}={values!r}"
        )
    factors: Factors = array.astype(float).tolist()
    return factors
