"""The base class of what changes the states of living cells."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import non_negative_integer
from keras_reprogram.configurable import optional
from keras_reprogram.inputs.states.state_transformation import (
    StateTransformation,
)
from keras_reprogram.sources.cell_rule import checked_state_shape
from keras_reprogram.sources.cell_rule import num_changed
from keras_reprogram.sources.living_cells import LivingCells
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


class CellTransformation(StateTransformation):
    """Base class: changes states of living cells, but for fixed channels.

    Args:
        fixed_channels: Integer. The number of first channels that are not
            changed, such as the image that a classifying automaton sees.
            Defaults to `0`.
        living: A `keras_reprogram.sources.LivingCells`, the cells that are
            changed. Defaults to `None`, for all cells.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    program_objects = {"living": LivingCells}

    def __init__(
        self,
        fixed_channels: int = 0,
        living: LivingCells | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fixed_channels = non_negative_integer(
            "fixed_channels", fixed_channels
        )
        self.living = optional(
            "living", living, LivingCells, "a `LivingCells` or `None`"
        )

    def num_changed(self, state_shape: Shape) -> int:
        """Returns how many channels are changed, for states of a shape."""
        *_, num_channels = checked_state_shape((None, *state_shape))
        if self.living is not None:
            self.living.check_channels(num_channels)
        return num_changed(num_channels, self.fixed_channels)

    def of_living(self, changed: Tensor, states: Tensor) -> Tensor:
        """Returns changed states of living cells, and the others as before."""
        if self.living is None:
            return changed
        mask = ops.stop_gradient(self.living.mask(states))
        return ops.where(ops.cast(mask, "bool"), changed, states)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "fixed_channels": self.fixed_channels,
            "living": keras.saving.serialize_keras_object(self.living),
        }
