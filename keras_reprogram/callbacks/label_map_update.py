"""When a label map is solved again during training."""

import keras


class LabelMapUpdate(keras.callbacks.Callback):
    """Solves the label map from the statistics that training gathers.

    `ReprogrammedModel.fit` adds this callback for a mapping that is updated,
    before all others: validation, metrics and checkpoints of an epoch see the
    map that was solved at its end.

    Args:
        every: Number of epochs or steps between two solutions.
        unit: `"epoch"` or `"step"`.
    """

    def __init__(self, every: int, unit: str) -> None:
        super().__init__()
        self.every = every
        self.unit = unit

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.is_due = False
        if self.model.label_mapper.steps_since_solve == 0:
            # What is there was gathered in an epoch that was interrupted.
            self.model.label_mapper.forget()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.last_batch = -1
        mapper = self.model.label_mapper
        if self.unit == "epoch":
            if mapper.steps_since_solve is None:
                mapper.steps_since_solve = epoch % self.every
            self.is_due = mapper.steps_since_solve + 1 >= self.every

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.unit == "step":
            mapper = self.model.label_mapper
            # With several steps an execution, `batch` goes up by several.
            mapper.steps_since_solve = (
                (mapper.steps_since_solve or 0) + batch - self.last_batch
            )
            self.last_batch = batch
            self.is_due = mapper.steps_since_solve >= self.every
            self.update_once()

    def on_test_begin(self, logs: dict | None = None) -> None:
        self.update_once()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self.unit == "epoch":
            self.update_once()
            self.model.label_mapper.steps_since_solve += 1
            self.model.label_mapper.steps_since_solve %= self.every

    def update_once(self) -> None:
        if self.is_due:
            self.is_due = False
            self.model.label_mapper.update()
            if self.unit == "step":
                self.model.label_mapper.steps_since_solve %= self.every
