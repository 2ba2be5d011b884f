"""The callback that solves a label map again during training."""

from typing import Any

from keras_reprogram.callbacks.periodic import Periodic
from keras_reprogram.outputs.label_mapper import LabelMapper


class LabelMapUpdate(Periodic):
    """Solves the label map from the statistics gathered in training.

    `ReprogrammedModel.fit` adds this callback for a mapping that is updated,
    before all others: the validation, metrics and checkpoints of an epoch use
    the map that was solved at its end.

    Args:
        every: Integer. Number of epochs or steps between two solutions.
        unit: String. `"epoch"` or `"step"`.
    """

    def __init__(self, every: int, unit: str) -> None:
        super().__init__()
        self.every = every
        self.unit = unit

    @property
    def mapper(self) -> LabelMapper:
        # Through the model: on JAX, layers hold no values during an epoch.
        mapper: LabelMapper = self.model.label_mapper
        return mapper

    def act(self) -> None:
        self.mapper.update()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.is_due = False
        if self.mapper.steps_since_solve == 0:
            # Statistics may remain from an interrupted epoch.
            self.mapper.reset_statistics()

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self.last_batch = -1
        if self.unit == "epoch":
            done = self.mapper.steps_since_solve
            done = epoch % self.every if done is None else done
            self.mapper.steps_since_solve = done
            self.is_due = done + 1 >= self.every

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if self.unit == "step":
            # With `steps_per_execution`, `batch` advances by several steps.
            done = (self.mapper.steps_since_solve or 0) + batch
            done -= self.last_batch
            self.last_batch = batch
            self.is_due = done >= self.every
            self.act_once()
            self.mapper.steps_since_solve = done % self.every

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if self.unit == "epoch":
            self.act_once()
            done = (self.mapper.steps_since_solve or 0) + 1
            self.mapper.steps_since_solve = done % self.every
