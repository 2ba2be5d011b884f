"""The callback that solves a sparse code again during training."""

from typing import Any

from keras_reprogram.callbacks.periodic import Periodic
from keras_reprogram.inputs.tokens.sparse_combination import SparseCombination


class SparseCoding(Periodic):
    """Solves the code of a `SparseCombination` again after some epochs.

    It is always solved at the end of training.

    Args:
        every: Integer. Number of epochs between two solutions.
        mapping: The `SparseCombination`.
    """

    def __init__(self, every: int, mapping: SparseCombination) -> None:
        super().__init__()
        self.every = every
        self.mapping = mapping

    def act(self) -> None:
        # On JAX, layers hold no values during an epoch until the model is
        # asked for.
        if self.model is not None:
            self.mapping.refit()

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        last = epoch + 1 == self.params.get("epochs")
        self.is_due = (epoch + 1) % self.every == 0 or last
