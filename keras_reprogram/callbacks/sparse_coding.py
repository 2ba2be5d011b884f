"""The callback that solves a sparse code again during training."""

from typing import Any

from keras_reprogram.callbacks.periodic import Periodic


class SparseCoding(Periodic):
    """Solves the code of a `SparseCombination` again after some epochs.

    It is always solved at the end of training.

    Args:
        every: Integer. Number of epochs between two solutions.
    """

    def __init__(self, every: int) -> None:
        super().__init__()
        self.every = every

    def act(self) -> None:
        # Through the model: on JAX, layers hold no values during an epoch.
        self.model.input_reprogrammer.mapping.refit()

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        last = epoch + 1 == self.params.get("epochs")
        self.is_due = (epoch + 1) % self.every == 0 or last
