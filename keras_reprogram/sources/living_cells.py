"""Which cells of an automaton are alive."""

import dataclasses

from keras import ops

from keras_reprogram.configurable import Configurable
from keras_reprogram.configurable import non_negative_integer
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.typing import Tensor


@serializable
@dataclasses.dataclass(frozen=True)
class LivingCells(Configurable):
    """Cells near which a channel of the state is above a threshold.

    A cell is alive if the channel exceeds the threshold in it or in one of the
    neighbors within a square around it.

    Example:

    ```python
    states = np.zeros((1, 5, 5, 16), "float32")
    states[:, 2, 2, 3] = 1.0
    living = keras_reprogram.sources.LivingCells()
    living.mask(states)  # 1.0 in the 3x3 cells of the middle
    ```

    Args:
        channel: Integer. The channel. Defaults to `3`, the alpha channel after
            three of colors.
        threshold: Float. Defaults to `0.1`.
        neighborhood: Odd integer. Side of the square in cells; `1` for the
            cell alone. Defaults to `3`.
    """

    channel: int = 3
    threshold: float = 0.1
    neighborhood: int = 3

    def __post_init__(self) -> None:
        neighborhood = positive_integer("neighborhood", self.neighborhood)
        if neighborhood % 2 == 0:
            raise ValueError(
                "`neighborhood` must be odd, so that the cell is in the middle "
                f"of the square. Received: neighborhood={neighborhood}"
            )
        self.set_fields(
            channel=non_negative_integer("channel", self.channel),
            threshold=number("threshold", self.threshold, -1e6, 1e6),
            neighborhood=neighborhood,
        )

    def check_channels(self, num_channels: int | None) -> None:
        """Raises a `ValueError` if states have no such channel."""
        if num_channels is not None and self.channel >= num_channels:
            raise ValueError(
                "`living` must name a channel of the state. Received: channel="
                f"{self.channel} of {num_channels}"
            )

    def mask(self, states: Tensor) -> Tensor:
        """Returns 1 for living cells and 0 for others.

        Args:
            states: Tensor `(batch, height, width, channels)`.

        Returns:
            A tensor `(batch, height, width, 1)` of the states' dtype.
        """
        states = ops.convert_to_tensor(states)
        values = states[..., self.channel : self.channel + 1]
        if self.neighborhood > 1:
            values = ops.max_pool(
                values,
                self.neighborhood,
                strides=1,
                padding="same",
                data_format="channels_last",
            )
        return ops.cast(ops.greater(values, self.threshold), states.dtype)
