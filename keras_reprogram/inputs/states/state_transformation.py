"""The base class of what a `Recurrence` applies to states at every step."""

import math

import keras

from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


class StateTransformation(ProgramPart, keras.layers.Layer):
    """Base class: transforms a batch of states without changing their shape.

    A subclass creates its variables in `build`, and starts as the identity.
    """

    @property
    def largest_state(self) -> float:
        """The largest absolute value that is kept of a state."""
        return math.inf

    def expected_variables(self, state_shape: Shape) -> list[ExpectedVariable]:
        """Describes the weights before the layer is built.

        Args:
            state_shape: Tuple. Shape of a state without the batch axis.

        Raises:
            ValueError: If the layer does not suit such states.
        """
        raise NotImplementedError

    def check_states(self, state_shape: Shape) -> None:
        """Raises a `ValueError` if the layer was built for other states.

        Args:
            state_shape: Tuple. Shape of a state without the batch axis.
        """
        expected = [it.shape for it in self.expected_variables(state_shape)]
        found = [tuple(each.shape) for each in self.weights]
        if found != expected:
            raise ValueError(
                f"The `{type(self).__name__}` was built for other states: make "
                f"a new one. Received: states of shape {state_shape}, and "
                f"variables of shapes {found} instead of {expected}"
            )

    def check_variables(self) -> None:
        """Raises a `ValueError` for invalid values of weights."""

    def call(self, states: Tensor) -> Tensor:
        """Returns transformed states.

        Args:
            states: Tensor `(batch, *state_shape)`.
        """
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
