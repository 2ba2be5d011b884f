"""The callback that restores a model whose loss is no longer finite."""

import math
from typing import Any

import keras
import numpy as np

from keras_reprogram.callbacks import training_state


class FiniteLoss(keras.callbacks.Callback):
    """Raises at the end of an epoch that failed, and restores the model.

    An epoch fails if its loss or the trained weights are not finite, or if a
    data set contained invalid samples or labels. The model and its optimizer
    are then restored to the end of the last epoch that succeeded, or to the
    start; likewise if training is interrupted while weights are not finite, or
    if a callback leaves such weights when training ends.
    """

    kept: list[np.ndarray] | None = None
    steps_since_solve: int | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.kept = None

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if self.kept is None:  # Not earlier: training may be resumed.
            model = self.model
            self.keep(model, training_state.trained_values(model))

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        loss = (logs or {}).get("loss", 0.0)
        model = self.model
        values = training_state.trained_values(model)
        kept = self.kept or values
        lost = training_state.lost_and_learned(model, kept, values)
        invalid = getattr(model, "invalid_data", None)
        is_invalid = invalid is not None and invalid.any()
        if math.isfinite(loss) and not lost and not is_invalid:
            if not any(map(training_state.lost_numbers, kept, values)):
                # An optimizer's variables may be infinite.
                self.keep(model, values)
            return
        if self.kept is not None:
            self.go_back(model)
        if invalid is not None and is_invalid:
            invalid.check(model)
        what = "The loss is" if not math.isfinite(loss) else "The weights are"
        raise ValueError(
            f"{what} not finite: look for NaN or infinity in the samples, or "
            "lower the learning rate. The model is as it was at the end of "
            "the last epoch before this one, or of the best with "
            f"`RestoreBest`. Received: loss={loss} in epoch {epoch + 1}, and "
            f"{lost} weights that became not finite"
        )

    def on_train_left(self) -> None:
        """Raises if callbacks have left weights that are not finite."""
        if self.kept is None:
            return
        values = training_state.trained_values(self.model)
        lost = training_state.lost_and_learned(self.model, self.kept, values)
        if lost:
            raise ValueError(
                "Callbacks must leave finite weights: the model is as it was "
                "at the end of its last finite epoch. Received: "
                f"{lost} weights that are not finite when training has ended"
            )

    def on_train_interrupted(self) -> None:
        """Restores the model if its state within an epoch is not finite."""
        if self.kept is None:
            return
        model = self.model
        values = training_state.trained_values(model)
        if any(map(training_state.lost_numbers, self.kept, values)):
            self.go_back(model)

    def keep(self, model: keras.Model, values: list[np.ndarray]) -> None:
        self.kept = values
        mapper = getattr(model, "label_mapper", None)
        self.steps_since_solve = mapper and mapper.steps_since_solve

    def go_back(self, model: keras.Model) -> None:
        if self.kept is None:
            return
        variables = training_state.trained_variables(model)
        training_state.assign(variables, self.kept)
        if getattr(model, "label_mapper", None) is not None:
            model.label_mapper.steps_since_solve = self.steps_since_solve
