"""Learning rate schedule for zeroth-order training."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import serializable
from keras_reprogram.typing import Tensor


@serializable
class PowerDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that decays as a power of the step (SPSA's gain).

    ```
    a_k = a / (k + offset) ** exponent       # k counts the steps from 0
    ```

    Example:

    ```python
    rate = keras_reprogram.black_box.PowerDecay(0.01, exponent=0.4)
    rate(0)  # 0.01
    ```

    Args:
        initial_learning_rate: Float. `a`. Defaults to `0.01`.
        exponent: Float. The power, at least 0. Defaults to `0.4`.
        offset: Float. A positive number that is added to the step. Defaults
            to `1.0`.

    References:
        - [BlackVIP](https://arxiv.org/abs/2303.14773)
    """

    def __init__(
        self,
        initial_learning_rate: float = 0.01,
        exponent: float = 0.4,
        offset: float = 1.0,
    ) -> None:
        self.initial_learning_rate = number(
            "initial_learning_rate", initial_learning_rate, 0.0
        )
        self.exponent = number("exponent", exponent, 0.0)
        self.offset = number("offset", offset, 1e-12)

    def __call__(self, step: Tensor) -> Tensor:
        step = ops.cast(step, "float32") + self.offset
        return self.initial_learning_rate / ops.power(step, self.exponent)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "exponent": self.exponent,
            "offset": self.offset,
        }
