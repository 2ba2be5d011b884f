"""The learning rate schedule of an automatic optimizer."""

import math
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.typing import Tensor


@serializable
class CosineDecayOverFit(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that falls to zero along a cosine over one `fit`.

    ```
    rate = initial_learning_rate / 2 * (1 + cos(pi * (step + offset) / decay_steps))
    ```

    `ReprogrammedModel.fit` sets `decay_steps` to the steps of its epochs, each
    time it is called. Where their number is not known, and for single batches,
    the rate is constant at its mean, half of `initial_learning_rate`.

    Args:
        initial_learning_rate: Float. The rate of the first step.
        decay_steps: Integer or `None`. Number of steps until the rate is zero.
            Defaults to `None`, for a constant rate.
        offset: Integer. Number of steps of the decay that were made before
            the optimizer's first one. Defaults to `0`.
    """  # noqa: E501

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int | None = None,
        offset: int = 0,
    ) -> None:
        super().__init__()
        self.initial_learning_rate = number(
            "initial_learning_rate", initial_learning_rate, 0.0
        )
        if decay_steps is not None:
            decay_steps = positive_integer("decay_steps", decay_steps)
        self.decay_steps = decay_steps
        self.offset = int(offset)

    def __call__(self, step: Tensor) -> Tensor:
        half = self.initial_learning_rate / 2
        if self.decay_steps is None:
            return ops.convert_to_tensor(half, "float32")
        done = ops.cast(step, "float32") + self.offset
        part = ops.clip(done / self.decay_steps, 0.0, 1.0)
        return half * (1.0 + ops.cos(math.pi * part))

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "offset": self.offset,
        }


def decay_of(
    optimizer: keras.optimizers.Optimizer | None,
) -> CosineDecayOverFit | None:
    """The schedule of an optimizer that was found, or `None`."""
    if optimizer is None:
        return None
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    config = optimizer.get_config().get("learning_rate")
    if not isinstance(config, dict):
        return None
    schedule = keras.optimizers.schedules.deserialize(config)
    return schedule if isinstance(schedule, CosineDecayOverFit) else None


def set_decay(
    model: keras.Model,
    schedule: CosineDecayOverFit,
    decay_steps: int | None,
    offset: int,
) -> None:
    """Gives the optimizer a decay, and traces the step again if it is new."""
    if (schedule.decay_steps, schedule.offset) == (decay_steps, offset):
        return
    model.optimizer.learning_rate = CosineDecayOverFit(
        schedule.initial_learning_rate, decay_steps, offset
    )
    model.train_function = None


def begin_anew(optimizer: keras.optimizers.Optimizer) -> None:
    """Forgets the steps of an Adam, whose variables all start at zero."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if steps_made(optimizer):
        for variable in optimizer.variables:
            variable.assign(ops.zeros(variable.shape, variable.dtype))


def steps_made(optimizer: keras.optimizers.Optimizer) -> int:
    """Number of steps of an optimizer, on one device or on several."""
    # TensorFlow's replicas have a variable that `int` does not take.
    return int(ops.convert_to_numpy(optimizer.iterations.value))
