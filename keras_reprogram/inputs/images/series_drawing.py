"""The base class of drawings, which make a picture of a series."""

from keras_reprogram.configurable import Configurable
from keras_reprogram.typing import Tensor

Sizes = tuple[int, int]


class SeriesDrawing(Configurable):
    """Base class: draws series of one channel as gray pictures."""

    def steps(self, length: int, sizes: Sizes) -> int:
        """Returns the number of steps that a series is resampled to.

        Args:
            length: Integer. Number of steps of a sample.
            sizes: Tuple of two integers. Height and width of the picture.
        """
        raise NotImplementedError

    def check(self, length: int, sizes: Sizes) -> None:
        """Raises a `ValueError` if a series cannot be drawn.

        Args:
            length: As for `steps`.
            sizes: As for `steps`.
        """

    def draw(self, series: Tensor, sizes: Sizes) -> Tensor:
        """Draws a batch of series.

        Args:
            series: Tensor `[N, steps]`, in the unit range.
            sizes: As for `steps`.

        Returns:
            A tensor `[N, height, width]` in the unit range.
        """
        raise NotImplementedError
