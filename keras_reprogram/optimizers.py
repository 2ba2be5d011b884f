"""Optimizers that the literature made for programs."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import serializable
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import unit_vectors


@serializable
class NormalizedGradient(keras.optimizers.SGD):
    """Gradient descent by steps of a fixed length, as EVP trains its border.

    ```
    theta <- theta - learning_rate * g / ||g||
    ```

    The paper's steps are of length 70, for a border of a canvas of 224x224.
    Every variable is normalized by its own gradient's norm. The paper's norm
    includes the gradient under the data, where its border has no values; the
    norm here is that of the border alone, so a step is a little longer.

    Example:

    ```python
    optimizer = keras_reprogram.optimizers.NormalizedGradient(10.0)
    ```

    Args:
        learning_rate: Length of a step, a float or a schedule.
        **kwargs: Keyword arguments of `keras.optimizers.SGD`.

    References:
        - [EVP](https://arxiv.org/abs/2212.10556)
    """

    def __init__(
        self,
        learning_rate: (
            float | keras.optimizers.schedules.LearningRateSchedule
        ) = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        dtype = keras.backend.result_type(variable.dtype, "float32")
        # Added to, a sparse gradient of TensorFlow becomes a dense one, in
        # which repeated rows are one.
        gradient = ops.add(ops.cast(gradient, dtype), ops.zeros((), dtype))
        gradient = unit_vectors(gradient, axis=None)
        super().update_step(gradient, variable, learning_rate)
