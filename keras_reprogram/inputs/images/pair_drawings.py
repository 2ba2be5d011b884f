"""Pictures of a series whose pixels are functions of two of its steps."""

import dataclasses
import math

from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.interpolation import resampled
from keras_reprogram.inputs.images.series_drawing import SeriesDrawing
from keras_reprogram.inputs.images.series_drawing import Sizes
from keras_reprogram.typing import Tensor

# Added to the variance of a series in the unit range, which is zero if the
# series is constant.
SMALLEST_VARIANCE = 1e-8
# Added to squared sines, whose roots have an infinite gradient at zero. A pixel
# changes by 0.01 of the unit range at most.
SMALLEST_SQUARE = 1e-4
FIELDS = ("sum", "difference")


class PairDrawing(SeriesDrawing):
    """Base class: pixel `[i, j]` is a function of the steps `i` and `j`."""

    def steps(self, length: int, sizes: Sizes) -> int:
        # Of long series, a matrix of all pairs would be many canvases.
        return max(sizes)

    def draw(self, series: Tensor, sizes: Sizes) -> Tensor:
        pictures = self.pairs(series)
        for axis, size in enumerate(sizes):
            pictures = resampled(pictures, size, axis + 1)
        return pictures

    def pairs(self, series: Tensor) -> Tensor:
        """Returns a tensor `[N, steps, steps]` for series `[N, steps]`."""
        raise NotImplementedError


@serializable
@dataclasses.dataclass(frozen=True)
class DifferenceMatrix(PairDrawing):
    """The matrix of differences: `pixel[i, j] = (1 + x_i - x_j) / 2`.

    Equal values are a pixel of 0.5, and the picture of a series is the negative
    of its transpose.

    Example:

    ```python
    keras_reprogram.inputs.SeriesPicture(
        keras_reprogram.inputs.DifferenceMatrix()
    )
    ```
    """

    def pairs(self, series: Tensor) -> Tensor:
        first, second = first_and_second(series)
        return ops.multiply(ops.add(ops.subtract(first, second), 1.0), 0.5)


@serializable
@dataclasses.dataclass(frozen=True)
class RecurrencePlot(PairDrawing):
    """A soft recurrence plot: bright where the series has the same value.

    ```
    pixel[i, j] = exp(-(x_i - x_j)^2 / (2 (width * deviation)^2))
    ```

    Example:

    ```python
    keras_reprogram.inputs.SeriesPicture(
        keras_reprogram.inputs.RecurrencePlot(width=0.2)
    )
    ```

    Args:
        width: Float. Which differences count as the same value, as a share of
            the standard deviation of the series. Defaults to `0.5`.

    References:
        - [Imaging time series](https://arxiv.org/abs/1710.00886) by recurrence
          plots
    """

    width: float = 0.5

    def __post_init__(self) -> None:
        self.set_fields(width=number("width", self.width, 1e-3, 1e3))

    def pairs(self, series: Tensor) -> Tensor:
        first, second = first_and_second(series)
        variance = ops.var(series, axis=1)[:, None, None]
        scale = ops.multiply(
            ops.add(variance, SMALLEST_VARIANCE), -2.0 * self.width**2
        )
        return ops.exp(
            ops.divide(ops.square(ops.subtract(first, second)), scale)
        )


@serializable
@dataclasses.dataclass(frozen=True)
class GramianField(PairDrawing):
    """The Gramian angular field of a series.

    With `v = 2 x - 1` from -1 to 1 as the cosine of an angle,

    ```
    phi_i = arccos(v_i)
    pixel[i, j] = (1 + cos(phi_i + phi_j)) / 2     field="sum"
    pixel[i, j] = (1 + sin(phi_i - phi_j)) / 2     field="difference"
    ```

    The sines are `sqrt(1 - v^2 + 0.0001)` before sine and cosine are scaled to
    length 1, for a finite gradient at the lowest and the highest value.

    Example:

    ```python
    keras_reprogram.inputs.SeriesPicture(
        keras_reprogram.inputs.GramianField("difference")
    )
    ```

    Args:
        field: String. `"sum"` or `"difference"`. Defaults to `"sum"`, whose
            diagonal is a function of the values themselves.

    References:
        - [Imaging time series](https://arxiv.org/abs/1506.00327) by Gramian
          angular fields
    """

    program_strings = {"field": FIELDS}

    field: str = "sum"

    def __post_init__(self) -> None:
        if self.field not in FIELDS:
            raise ValueError(
                f"`field` must be one of {FIELDS}. Received: "
                f"field={self.field!r}"
            )

    def pairs(self, series: Tensor) -> Tensor:
        cosines = ops.subtract(ops.multiply(series, 2.0), 1.0)
        squares = ops.maximum(ops.subtract(1.0, ops.square(cosines)), 0.0)
        sines = ops.sqrt(ops.add(squares, SMALLEST_SQUARE))
        # Of length 1 again, so that no pixel leaves the unit range.
        length = math.sqrt(1.0 + SMALLEST_SQUARE)
        cosines, sines = ops.divide(cosines, length), ops.divide(sines, length)
        first, second = first_and_second(cosines)
        first_sine, second_sine = first_and_second(sines)
        if self.field == "sum":
            left = ops.multiply(first, second)
            right = ops.multiply(first_sine, second_sine)
        else:
            left = ops.multiply(first_sine, second)
            right = ops.multiply(first, second_sine)
        return ops.multiply(ops.add(ops.subtract(left, right), 1.0), 0.5)


def first_and_second(values: Tensor) -> tuple[Tensor, Tensor]:
    """Returns values `[N, steps]` along the rows and along the columns."""
    return values[:, :, None], values[:, None, :]
