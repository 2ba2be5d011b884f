"""Callbacks that `fit` adds to the user's, and the function that does so."""

import contextlib
import warnings
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.callbacks import training_state
from keras_reprogram.typing import Callbacks
from keras_reprogram.typing import Tensor

FEW_STEPS = 3
NO_GRADIENT = (
    "No gradient reaches the program: does the source cast to integers, round, "
    "or contain a function that is not differentiable? Pass "
    "a `gradient_estimator` to `compile`, or `pattern=None`."
)


@contextlib.contextmanager
def prepend_callbacks(
    added: Sequence[keras.callbacks.Callback], others: Callbacks
) -> Iterator[Any]:
    """Prepends callbacks to one callback, a list, or a `CallbackList`.

    A `CallbackList` contains them within the context only, so that it can be
    passed to `fit` again.
    """
    added = list(added)
    if isinstance(others, keras.callbacks.CallbackList):
        for callback in added:
            callback.set_model(others.model)
            callback.set_params(others.params)
        before = list(others.callbacks)
        others.callbacks[:0] = added
        try:
            yield others
        finally:
            others.callbacks[:] = before
        return
    if isinstance(others, keras.callbacks.Callback):
        others = [others]
    yield [*added, *(others or [])]


class UnmovedProgram(keras.callbacks.Callback):
    """Warns if the first steps have not changed the program.

    Args:
        variables: Sequence of the input transformation's trainable variables.
        advice: String. What the user can do. Defaults to advice for a
            `ReprogrammedModel`.
    """

    def __init__(
        self, variables: Sequence[keras.Variable], advice: str = NO_GRADIENT
    ) -> None:
        super().__init__()
        self.variables = list(variables)
        self.advice = advice
        self.start = training_state.values_of(variables)
        self.steps = 0

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self.steps += 1

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        # A map that starts at zero has no gradient in its first step, and a
        # `LossScaleOptimizer` skips some steps.
        scaled = isinstance(
            self.model.optimizer, keras.optimizers.LossScaleOptimizer
        )
        if not self.start or scaled or self.steps < FEW_STEPS:
            return
        has_changed = any(
            not np.array_equal(training_state.value_of(variable), start)
            for variable, start in zip(self.variables, self.start)
        )
        self.start = []
        rate = as_number(self.model.optimizer.learning_rate)
        if not has_changed and rate:
            warnings.warn(
                "The program is exactly as it was before this epoch. "
                f"{self.advice}",
                stacklevel=2,
            )


def as_number(rate: Tensor) -> float:
    return float(ops.convert_to_numpy(rate))
