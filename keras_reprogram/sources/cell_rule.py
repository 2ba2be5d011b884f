"""The network that all cells of an automaton have in common."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import non_negative_integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class CellRule(ProgramPart, keras.layers.Layer):
    """Computes how the state of each cell changes from its neighborhood.

    ```
    perception = [x, sobel_x * x, sobel_y * x]
    change = W2 relu(W1 perception + b1) + b2
    ```

    The last layer starts from zero: no cell changes.

    Example:

    ```python
    rule = keras_reprogram.sources.CellRule()
    rule(np.random.rand(1, 8, 8, 16)).shape  # (1, 8, 8, 16)
    ```

    Args:
        hidden_units: Integer. Width of the hidden layer. Defaults to `128`.
        fixed_channels: Integer. The number of first channels that do not
            change, such as an image that cells see. Defaults to `0`.
        seed: Integer. Seed of the first layer. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        states: Tensor `(batch, height, width, channels)`.

    Returns:
        A tensor of the same shape, to be added to the states.

    References:
        - [Growing neural cellular automata](https://doi.org/10.23915/distill.00023)
    """

    def __init__(
        self,
        hidden_units: int = 128,
        fixed_channels: int = 0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_units = positive_integer("hidden_units", hidden_units)
        self.fixed_channels = non_negative_integer(
            "fixed_channels", fixed_channels
        )
        self.seed = check_seed(seed)

    def variable_shapes(self, num_channels: int) -> list[FixedShape]:
        """Returns the shapes of the variables for states of some channels."""
        changed = num_changed(num_channels, self.fixed_channels)
        return [
            (3 * num_channels, self.hidden_units),
            (self.hidden_units,),
            (self.hidden_units, changed),
            (changed,),
        ]

    def check_channels(self, num_channels: int) -> None:
        """Raises a `ValueError` if the rule was built for other states."""
        expected = self.variable_shapes(num_channels)
        if [tuple(each.shape) for each in self.weights] != expected:
            raise ValueError(
                "The `CellRule` was built for states of another number of "
                f"channels: make a new one. Received: {num_channels} channels"
            )

    def build(self, input_shape: Shape) -> None:
        *_, num_channels = checked_state_shape(input_shape)
        shapes = self.variable_shapes(num_channels)
        glorot = keras.initializers.GlorotUniform(self.seed)
        self.hidden_kernel, self.hidden_bias, self.kernel, self.bias = (
            self.add_weight(name=name, shape=shape, initializer=initializer)
            for name, shape, initializer in zip(
                ("hidden_kernel", "hidden_bias", "kernel", "bias"),
                shapes,
                (glorot, "zeros", "zeros", "zeros"),
            )
        )
        self.built = True

    def call(self, states: Tensor) -> Tensor:
        hidden = ops.relu(
            of_each_cell(perception(states), self.hidden_kernel)
            + self.hidden_bias
        )
        change = of_each_cell(hidden, self.kernel) + self.bias
        if not self.fixed_channels:
            return change
        kept = ops.zeros_like(states[..., : self.fixed_channels])
        return ops.concatenate([kept, change], axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "fixed_channels": self.fixed_channels,
            "seed": self.seed,
        }


def of_each_cell(states: Tensor, matrix: Tensor) -> Tensor:
    """Returns the product of the states of each cell and a matrix.

    TensorFlow's XLA has no gradient of `ops.matmul` in a loop if the size of
    the batch is not known.
    """
    return ops.einsum("bhwc,cd->bhwd", states, matrix)


def perception(states: Tensor) -> Tensor:
    """Returns states and their Sobel gradients, along the last axis.

    Args:
        states: Tensor `(batch, height, width, channels)`. Beyond its edges all
            channels are zero.
    """
    # Sums of shifted states are faster than a convolution by channels.
    padded = ops.pad(states, ((0, 0), (1, 1), (1, 1), (0, 0)))
    down = padded[:, :-2] + 2.0 * padded[:, 1:-1] + padded[:, 2:]
    along = padded[:, :, :-2] + 2.0 * padded[:, :, 1:-1] + padded[:, :, 2:]
    return ops.concatenate(
        [
            states,
            (down[:, :, 2:] - down[:, :, :-2]) / 8.0,
            (along[:, 2:] - along[:, :-2]) / 8.0,
        ],
        axis=-1,
    )


def num_changed(num_channels: int, fixed_channels: int) -> int:
    """Returns how many channels change.

    Raises:
        ValueError: If there are none.
    """
    if fixed_channels >= num_channels:
        raise ValueError(
            "`fixed_channels` must be less than the channels of a state. "
            f"Received: fixed_channels={fixed_channels} of {num_channels}"
        )
    return num_channels - fixed_channels


def checked_state_shape(shape: Shape) -> tuple[int | None, int | None, int]:
    """Returns height, width and channels of a batch of states.

    Raises:
        ValueError: If it has other axes, or an unknown number of channels.
    """
    num_channels = shape[-1] if len(shape) == 4 else None
    if num_channels is None:
        raise ValueError(
            "States of an automaton have the shape (batch, height, width, "
            f"channels). Received: {tuple(shape)}"
        )
    return shape[1], shape[2], num_channels
