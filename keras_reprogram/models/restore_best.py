"""Training that never ends with something worse than its start unnoticed."""

import math
import warnings
from typing import Any

import keras
from keras import ops

RISING = ("acc", "auc", "precision", "recall", "score", "iou", "similarity")


class RestoreBest(keras.callbacks.Callback):
    """Ends training with the best epoch's program and label map.

    The state before the first epoch is a candidate: a warm-started label map
    with an empty program may be better than what training makes of few
    samples. Where it is, training ends with it and a warning says so.

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    model = keras_reprogram.ReprogrammedModel(
        keras.Model(inputs, outputs),  # stands for a pretrained model
        label_mapper=keras_reprogram.LabelMapper(num_classes=2),
    )
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    x, y = np.random.rand(16, 8, 8, 3), np.arange(16) % 2
    best = keras_reprogram.models.RestoreBest((x, y))
    model.fit(x, y, validation_data=(x, y), callbacks=[best], verbose=0)
    best.best_epoch  # 0 or 1
    ```

    Args:
        validation_data: `(x, y)`, or a data set of batches: the same that is
            passed to `fit`.
        monitor: What is compared, as in `fit`'s history: `"val_loss"`, or
            `"val_"` and a metric's name.
        mode: `"min"`, `"max"`, or `"auto"`: `"max"` for accuracies, areas
            under a curve, precisions, recalls and scores, else `"min"`.
        patience: Epochs without a better one after which training stops;
            `None` for never.

    Attributes:
        best: The best value.
        best_epoch: Its epoch, counted from 1; 0 for the start.
    """

    def __init__(
        self,
        validation_data: Any,
        monitor: str = "val_loss",
        mode: str = "auto",
        patience: int | None = None,
    ) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max") or not monitor.startswith("val_"):
            raise ValueError(
                '`mode` must be "auto", "min" or "max", and `monitor` a value '
                'of validation, such as "val_loss". Received: '
                f"mode={mode!r}, monitor={monitor!r}"
            )
        if mode == "auto":
            mode = "max" if any(name in monitor for name in RISING) else "min"
        self.validation_data = validation_data
        self.monitor = monitor
        self.sign = -1.0 if mode == "min" else 1.0
        self.patience = patience

    def on_train_begin(self, logs: dict | None = None) -> None:
        data = self.validation_data
        data = data if isinstance(data, (tuple, list)) else (data,)
        logs = self.model.evaluate(*data, verbose=0, return_dict=True)
        self.best, self.best_epoch = -math.inf * self.sign, 0
        self.consider(0, {f"val_{name}": value for name, value in logs.items()})

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.consider(epoch + 1, logs or {})
        late = epoch + 1 - self.best_epoch
        if self.patience is not None and late >= self.patience:
            self.model.stop_training = True

    def consider(self, epoch: int, logs: dict) -> None:
        if self.monitor not in logs:
            raise ValueError(
                "`monitor` must name a value of validation: pass "
                "`validation_data` to `fit`, and the metric to `compile`. "
                f"Received: monitor={self.monitor!r}, known: {sorted(logs)}"
            )
        value = logs[self.monitor]
        if epoch == 0 or self.sign * (value - self.best) > 0:
            self.best, self.best_epoch = value, epoch
            self.state = [
                ops.convert_to_numpy(variable.value)
                for variable in self.model.learned_variables
            ]

    def on_train_end(self, logs: dict | None = None) -> None:
        for variable, value in zip(self.model.learned_variables, self.state):
            variable.assign(value)
        if self.best_epoch == 0:
            warnings.warn(
                f"No epoch's `{self.monitor}` was better than the "
                f"{self.best:.4g} before training: the program and the label "
                "map are as they were. Try a lower learning rate, a program "
                "of fewer values, or augmented samples.",
                stacklevel=2,
            )
