"""The base class of callbacks that act periodically in training."""

from typing import Any

import keras


class Periodic(keras.callbacks.Callback):
    """Base class: acts after some epochs or steps, before validation.

    A subclass sets `is_due` when an epoch or a step begins or ends, and
    defines `act`.

    Attributes:
        is_due: Boolean. Whether `act` runs at the next opportunity.
    """

    is_due: bool = False

    def act(self) -> None:
        """Performs the periodic action."""
        raise NotImplementedError

    def act_once(self) -> None:
        """Calls `act` if it is due."""
        if self.is_due:
            self.is_due = False
            self.act()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.act_once()

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self.act_once()
