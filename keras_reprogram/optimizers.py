"""Optimizers from papers on reprogramming."""

import numbers
from typing import Any
from typing import TypeAlias

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import serializable
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import unit_vectors

__all__ = ["NormalizedAdam", "NormalizedGradient"]

LearningRate: TypeAlias = (
    float | keras.optimizers.schedules.LearningRateSchedule
)


class UnitGradients(keras.optimizers.Optimizer):
    """Base class: divides each variable's gradient by its norm.

    Args:
        learning_rate: Float of at least 0, or a
            `keras.optimizers.schedules.LearningRateSchedule`.
        **kwargs: Keyword arguments of the optimizer.

    Raises:
        ValueError: If the learning rate is not finite or less than 0, or, in
            training, a decay is 1 in the dtype of a variable.
    """

    def __init__(self, learning_rate: LearningRate, **kwargs: Any) -> None:
        if isinstance(learning_rate, numbers.Real):
            number("learning_rate", learning_rate, 0.0)
        super().__init__(learning_rate, **kwargs)

    def build(self, variables: list[keras.Variable]) -> None:
        for variable in variables:
            check_decays(self, variable)
        super().build(variables)

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        gradient = normalized(gradient, variable)
        super().update_step(gradient, variable, learning_rate)


@serializable
class NormalizedGradient(UnitGradients, keras.optimizers.SGD):
    """Gradient descent with steps of a fixed length, as in EVP.

    ```
    theta <- theta - learning_rate * g / ||g||
    ```

    Every gradient is divided by its own norm. The paper uses a learning rate
    of 70 for a border around images of size 224x224. Its norm includes the
    gradient of the pixels inside the border; the norm here is that of the
    border alone, so a step is slightly longer.

    Example:

    ```python
    optimizer = keras_reprogram.optimizers.NormalizedGradient(10.0)
    ```

    Args:
        learning_rate: Float, or a
            `keras.optimizers.schedules.LearningRateSchedule`. Length of a
            step. Defaults to `1.0`.
        **kwargs: Keyword arguments of `keras.optimizers.SGD`.

    References:
        - [EVP](https://arxiv.org/abs/2212.10556)
    """

    def __init__(
        self, learning_rate: LearningRate = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)


@serializable
class NormalizedAdam(UnitGradients, keras.optimizers.Adam):
    """Adam on gradients that are divided by their own norm.

    A gradient through many steps of a recurrence is large in some batches and
    small in others. With a norm of one, each batch counts the same.

    Example:

    ```python
    optimizer = keras_reprogram.optimizers.NormalizedAdam(2e-3)
    ```

    Args:
        learning_rate: Float, or a
            `keras.optimizers.schedules.LearningRateSchedule`. Defaults to
            `0.001`.
        **kwargs: Keyword arguments of `keras.optimizers.Adam`.

    References:
        - [Growing neural cellular automata](https://doi.org/10.23915/distill.00023)
    """

    def __init__(
        self, learning_rate: LearningRate = 0.001, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)


def check_decays(
    optimizer: keras.optimizers.Optimizer, variable: keras.Variable
) -> None:
    """Raises a `ValueError` if averages of gradients would not change."""
    for name in ("beta_1", "beta_2"):
        decay = getattr(optimizer, name, 0.0)
        # Not with tensors: a step may be traced.
        if float(np.asarray(decay, variable.dtype)) >= 1.0:
            raise ValueError(
                f"`{name}` is 1 in {variable.dtype}, and no step changes a "
                "variable: use the dtype policy `mixed_bfloat16`, whose "
                f"variables are float32. Received: {name}={decay} for a "
                f"variable of dtype {variable.dtype}"
            )


def normalized(gradient: Tensor, variable: keras.Variable) -> Tensor:
    """Returns a variable's gradient divided by its norm."""
    dtype = keras.backend.result_type(variable.dtype, "float32")
    # Adding zero converts TensorFlow's sparse gradients to dense ones, with
    # repeated rows summed.
    gradient = ops.add(ops.cast(gradient, dtype), ops.zeros((), dtype))
    return unit_vectors(gradient, axis=None)
