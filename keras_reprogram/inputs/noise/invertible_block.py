"""A residual block that maps no two vectors to the same one."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.constraints import SpectralNorm
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

# Below 1, so that the block can be inverted.
LARGEST_NORM = 0.9
SLOPE = 0.1


class InvertibleBlock(keras.layers.Layer):
    """An invertible residual block of two dense layers.

    ```
    y = x + a(W_2 a(W_1 x + b_1) + b_2),    |W_1|, |W_2| <= 0.9
    ```

    With `a` a leaky rectifier, the second term changes distances by a factor
    below 1. Both kernels keep their norm by a constraint. The block starts
    from the identity.

    Args:
        seed: Integer. Seed of `W_1`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [Invertible residual networks](https://arxiv.org/abs/1811.00995)
    """

    def __init__(self, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed

    @staticmethod
    def variable_shapes(size: int) -> list[FixedShape]:
        """Shapes of the weights for vectors of a size."""
        return [(size, size), (size,), (size, size), (size,)]

    def build(self, input_shape: Shape) -> None:
        size = input_shape[-1]
        self.inner, self.outer = (
            keras.layers.Dense(
                size,
                kernel_initializer=initializer,
                kernel_constraint=SpectralNorm(LARGEST_NORM),
                dtype=self.dtype_policy,
            )
            for initializer in (
                keras.initializers.Orthogonal(
                    gain=LARGEST_NORM, seed=self.seed
                ),
                "zeros",
            )
        )
        for layer in (self.inner, self.outer):
            layer.build(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return ops.add(inputs, self.residual(inputs))

    def residual(self, inputs: Tensor) -> Tensor:
        hidden = ops.leaky_relu(self.inner(inputs), SLOPE)
        return ops.leaky_relu(self.outer(hidden), SLOPE)

    def inverse(self, outputs: Tensor, num_steps: int = 100) -> Tensor:
        """Returns the inputs of outputs, by a fixed-point iteration.

        Args:
            outputs: Tensor `(batch, size)`.
            num_steps: Integer. Each reduces the error by a factor of at least
                0.81. Defaults to `100`.
        """
        inputs = outputs
        for _ in range(num_steps):
            inputs = ops.subtract(outputs, self.residual(inputs))
        return inputs
