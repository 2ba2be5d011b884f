"""Batch normalization with a scale and an offset for each class."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

MOMENTUM = 0.9
EPSILON = 1e-3


class ConditionalNormalization(keras.layers.Layer):
    """Conditional batch normalization.

    ```
    y = gamma_c * (x - mean) / deviation + beta_c
    ```

    Mean and deviation are those of the batch in training and moving averages
    otherwise; `c` is the sample's class. All `gamma` start at 1 and all `beta`
    at 0. A batch of one sample has no deviation: it is normalized by the moving
    averages, which stay as they are.

    Args:
        num_classes: Integer.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [A learned representation for artistic style](https://arxiv.org/abs/1610.07629)
    """

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def variable_shapes(self, size: int) -> list[FixedShape]:
        """Shapes of the weights for vectors of a size."""
        by_class = (self.num_classes, size)
        return [by_class, by_class, (size,), (size,)]

    def build(self, input_shape: Shape) -> None:
        size = input_shape[-1]
        self.gamma, self.beta = (
            self.add_weight(
                name=name,
                shape=(self.num_classes, size),
                initializer=initializer,
            )
            for name, initializer in (("gamma", "ones"), ("beta", "zeros"))
        )
        self.moving_mean, self.moving_variance = (
            self.add_weight(
                name=name,
                shape=(size,),
                initializer=initializer,
                trainable=False,
                autocast=False,
                aggregation="mean",
            )
            for name, initializer in (
                ("moving_mean", "zeros"),
                ("moving_variance", "ones"),
            )
        )
        self.built = True

    def call(
        self, inputs: Tensor, classes: Tensor, training: bool = False
    ) -> Tensor:
        # The square of a float16 may overflow.
        full = ops.cast(inputs, self.moving_mean.dtype)
        mean, variance = self.moving_mean.value, self.moving_variance.value
        if training:
            mean, variance = self.updated_moments(full)
        deviation = ops.sqrt(ops.add(variance, EPSILON))
        normalized = ops.divide(ops.subtract(full, mean), deviation)
        normalized = ops.cast(normalized, inputs.dtype)
        gamma = ops.take(ops.convert_to_tensor(self.gamma), classes, axis=0)
        beta = ops.take(ops.convert_to_tensor(self.beta), classes, axis=0)
        return ops.add(ops.multiply(gamma, normalized), beta)

    def updated_moments(self, inputs: Tensor) -> list[Tensor]:
        """Returns a batch's mean and variance, and moves the averages."""
        is_alone = ops.equal(ops.shape(inputs)[0], 1)
        moments = []
        for average, moment in zip(
            (self.moving_mean, self.moving_variance),
            ops.moments(inputs, axes=0),
        ):
            moment = ops.where(is_alone, average.value, moment)
            average.assign_add((1.0 - MOMENTUM) * (moment - average.value))
            moments.append(moment)
        return moments
