"""The callback that restores the best epoch."""

import math
import warnings
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.callbacks import training_state
from keras_reprogram.keras_internals import metric_direction
from keras_reprogram.keras_internals import metric_function
from keras_reprogram.typing import Data
from keras_reprogram.typing import Tensor

# Metrics without a direction in Keras, or in its earlier releases.
RISING = (
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "FBetaScore",
    "IoU",
    "PearsonCorrelation",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "binary_accuracy",
    "categorical_accuracy",
    "concordance_correlation",
    "pearson_correlation",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
)
FALLING = (
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "RootMeanSquaredError",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
)


class RestoreBest(keras.callbacks.Callback):
    """Ends training with the best epoch's program and label map.

    The state before the first epoch is a candidate: a warm-started label map
    with an empty program may be better than the result of training on few
    samples. If it is the best, it is restored with a warning. Training that is
    interrupted by an exception or Ctrl-C is treated in the same way.

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
    best = keras_reprogram.callbacks.RestoreBest((x, y))
    model.fit(x, y, validation_data=(x, y), callbacks=[best], verbose=0)
    best.best_epoch  # 0 or 1
    ```

    Args:
        validation_data: Tuple `(x, y)` or `(x, y, sample_weight)`, or a data
            set of batches. The same data that are passed to `fit`.
        monitor: String. Key of `fit`'s history: `"val_loss"`, or `"val_"` and a
            metric's name. Defaults to `"val_loss"`.
        mode: String. `"min"`, `"max"`, or `"auto"`: `"min"` for a loss, and the
            better direction for a metric of Keras or of this package. A custom
            metric needs `"min"` or `"max"`. Defaults to `"auto"`.
        patience: Integer. Number of epochs without improvement after which
            training stops; `None` for never. Defaults to `None`.

    Attributes:
        best: Float. The best value.
        best_epoch: Integer. Its epoch, counted from 1; 0 for the start.

    Raises:
        ValueError: If a setting is not valid; or, when training starts, if
            the monitored value is unknown, is not one number, or has no known
            direction.
    """

    def __init__(
        self,
        validation_data: Data,
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
        if mode == "auto" and monitor == "val_loss":
            mode = "min"
        self.validation_data = validation_data
        self.monitor = monitor
        self.mode = mode
        self.patience = patience
        self.state: list[np.ndarray] | None = None
        # Set if `ResumeTraining` will restore the state of an earlier epoch.
        self.will_be_resumed = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not hasattr(self.model, "learned_variables"):
            raise ValueError(
                "`RestoreBest` supports `ReprogrammedModel.fit`. For other "
                "models, and for `fit_label_map`, use "
                "`keras.callbacks.EarlyStopping` with "
                "`restore_best_weights=True`. Received: a model of class "
                f"{type(self.model).__name__}"
            )
        self.state = None
        resumed, self.will_be_resumed = self.will_be_resumed, False
        if resumed:
            return
        x, y, weights = keras.utils.unpack_x_y_sample_weight(
            self.validation_data
        )
        logs = self.model.evaluate(
            x, y, sample_weight=weights, verbose=0, return_dict=True
        )
        self.best, self.best_epoch = math.nan, 0
        self._consider(
            0, {f"val_{name}": value for name, value in logs.items()}
        )

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._consider(epoch + 1, logs or {})
        late = epoch + 1 - self.best_epoch
        if self.patience is not None and late >= self.patience:
            self.model.stop_training = True

    def _consider(self, epoch: int, logs: dict[str, Any]) -> None:
        if self.monitor not in logs:
            raise ValueError(
                "`monitor` must name a value of validation: pass "
                "`validation_data` to `fit`, and the metric to `compile`. "
                f"Received: monitor={self.monitor!r}, known: {sorted(logs)}"
            )
        if epoch == 0:
            sign = {"min": -1.0, "max": 1.0}.get(self.mode)
            self.sign = sign or better(self.model, self.monitor)
        value = one_number(self.monitor, logs[self.monitor])
        # Even NaN is better than no value.
        better_than_none = math.isnan(self.best) and not math.isnan(value)
        if (
            epoch == 0
            or better_than_none
            or self.sign * value > self.sign * self.best
        ):
            self.best, self.best_epoch = value, epoch
            self.state = training_state.values_of(self.model.learned_variables)

    def get_state(self) -> dict[str, Any]:
        """Returns the state that `ResumeTraining` saves."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "sign": self.sign,
            "state": self.state,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the state that `get_state` returned."""
        self.best, self.sign = float(state["best"]), float(state["sign"])
        self.best_epoch, values = int(state["best_epoch"]), state["state"]
        training_state.check_shapes(self.model.learned_variables, values)
        self.state = values

    def restore(self) -> None:
        if self.state is not None:
            training_state.assign(self.model.learned_variables, self.state)
        self.state = None

    def on_train_interrupted(self) -> None:
        """Restores the best epoch after an exception or Ctrl-C."""
        if self.state is not None:
            self.restore()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.restore()
        if self.best_epoch == 0:
            warnings.warn(
                f"No epoch's `{self.monitor}` was better than the "
                f"{self.best:.4g} before training: the program and the label "
                "map are as they were. Try a lower learning rate, a smaller "
                "program, or augmented samples.",
                stacklevel=2,
            )


def one_number(monitor: str, value: Tensor) -> float:
    values = ops.convert_to_numpy(value)
    if values.size != 1:
        raise ValueError(
            "`monitor` must be a metric of one number: average over the "
            'classes or thresholds, as by `F1Score(average="macro")`, '
            '`R2Score(class_aggregation="uniform_average")` or '
            "`Precision(thresholds=0.5)`. Received: "
            f"monitor={monitor!r}, values of shape {values.shape}"
        )
    return float(values.item())


def better(model: keras.Model, monitor: str) -> float:
    """Returns 1 if larger values are better, -1 if smaller ones are."""
    metric = metric_of(model, monitor.removeprefix("val_"))
    sign = direction(metric)
    if sign is None:
        kind = "no metric" if metric is None else type(metric).__name__
        raise ValueError(
            f"Whether a larger or a smaller `{monitor}` is better is not "
            'known: pass `mode="max"` or `mode="min"`. Received: '
            f'mode="auto", monitor={monitor!r}, which is {kind}'
        )
    return sign


def metric_of(model: keras.Model, name: str) -> keras.Metric | None:
    """Returns the metric of a name in the results of `evaluate`."""
    for metric in model.metrics:
        members = getattr(metric, "metrics", None)
        if members is None:
            metrics = {metric.name: metric}
        else:
            # Compiled metrics may have been renamed to be unique.
            metrics = dict(zip(metric.result(), members))
        if name in metrics:
            return metrics[name]
    return None


def direction(metric: keras.Metric | None) -> float | None:
    """Returns 1 to maximize a metric, -1 to minimize it, `None` if unknown."""
    declared = {"up": 1.0, "down": -1.0}.get(metric_direction(metric) or "")
    if declared is not None:
        return declared
    function = metric_function(metric)
    if isinstance(function, keras.losses.Loss) or is_in(keras.losses, function):
        return -1.0
    # `compile` wraps an output's own loss in a mean.
    if (
        metric is not None
        and type(metric) is keras.metrics.Mean
        and metric.name.endswith("_loss")
    ):
        return -1.0
    for kind in (function, *type(metric).__mro__):
        name = getattr(kind, "__name__", "")
        if is_in(keras.metrics, kind) and name in FALLING:
            return -1.0
        if is_in(keras.metrics, kind) and name in RISING:
            return 1.0
    return None


def is_in(module: ModuleType, item: object) -> bool:
    """Whether a class or a function is a public member of a module."""
    name = getattr(item, "__name__", None)
    return name is not None and getattr(module, name, None) is item
