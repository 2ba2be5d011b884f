"""Metrics as the label map's outputs and labels need them."""

import warnings
from collections.abc import Iterator
from typing import Any

import keras

from keras_reprogram.metrics import KnownAccuracy
from keras_reprogram.metrics import KnownBinaryAccuracy
from keras_reprogram.metrics import KnownMeanAbsoluteError
from keras_reprogram.metrics import KnownMeanSquaredError
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs.output_mapping import OutputMapping

ACCURACY = ("accuracy", "acc")
BINARY_ACCURACY = (*ACCURACY, "binary_accuracy", "BinaryAccuracy")
SPARSE_ACCURACY = (
    *ACCURACY,
    "sparse_categorical_accuracy",
    "SparseCategoricalAccuracy",
)
ERRORS: dict[str, Any] = {
    **dict.fromkeys(
        ("mae", "MAE", "mean_absolute_error", "MeanAbsoluteError"),
        KnownMeanAbsoluteError,
    ),
    **dict.fromkeys(
        ("mse", "MSE", "mean_squared_error", "MeanSquaredError"),
        KnownMeanSquaredError,
    ),
}
MEDIAN = 0.5
NO_LABEL = -1
# These compare predictions with a threshold between 0 and 1.
WITH_THRESHOLD = (
    keras.metrics.BinaryAccuracy,
    keras.metrics.BinaryIoU,
    keras.metrics.FalseNegatives,
    keras.metrics.FalsePositives,
    keras.metrics.Precision,
    keras.metrics.PrecisionAtRecall,
    keras.metrics.Recall,
    keras.metrics.RecallAtPrecision,
    keras.metrics.SensitivityAtSpecificity,
    keras.metrics.SpecificityAtSensitivity,
    keras.metrics.TrueNegatives,
    keras.metrics.TruePositives,
)


def reading_as(
    metrics: object,
    mapper: OutputMapping,
    ignored: int | None = None,
    allows_missing: bool = False,
) -> Any:
    """Replaces the names of metrics that Keras would read in another way.

    Keras takes binary predictions for probabilities, cuts them at 0.5, and
    counts labels that are missing: NaN, -1 at a position, or what the loss
    ignores. Of quantiles, the median is compared.

    Args:
        metrics: As for `keras.Model.compile`.
        mapper: The label map.
        ignored: A label that the loss leaves out. Defaults to `None`.
        allows_missing: Boolean. Whether the loss leaves out numbers that are
            NaN. Defaults to `False`.

    Raises:
        ValueError: If the error of a median is asked for and there is none.
    """
    settings = (mapper, ignored, allows_missing)
    if isinstance(metrics, dict):
        return {
            key: reading_as(metric, *settings)
            for key, metric in metrics.items()
        }
    if isinstance(metrics, (list, tuple)):
        return [reading_as(metric, *settings) for metric in metrics]
    name = getattr(metrics, "__name__", metrics)
    if not isinstance(name, str):
        return metrics
    if name in ERRORS and (allows_missing or mapper.quantiles is not None):
        return ERRORS[name](median_of(mapper.quantiles, name), name=name)
    if not isinstance(mapper, LabelMapper):
        return metrics
    if mapper.multi_label:
        if name not in BINARY_ACCURACY:
            return metrics
        return KnownBinaryAccuracy(from_logits=mapper.returns_logits, name=name)
    if ignored is None and mapper.num_position_axes:
        ignored = NO_LABEL
    if ignored is None or name not in SPARSE_ACCURACY:
        return metrics
    return KnownAccuracy(ignore_class=ignored, name=name)


def median_of(quantiles: list[float] | None, name: str) -> int | None:
    """Returns the index of the median, or `None` without quantiles."""
    if quantiles is None:
        return None
    if MEDIAN not in quantiles:
        raise ValueError(
            "An error is that of the median: add 0.5 to the quantiles, or pass "
            "`keras_reprogram.metrics.KnownMeanAbsoluteError(quantile=...)`. "
            f"Received: the metric {name!r} for quantiles={quantiles}"
        )
    return quantiles.index(MEDIAN)


def warn_of_logits(metrics: object, returned: bool | None) -> None:
    """Warns of a metric that takes logits for probabilities, or the reverse.

    Args:
        metrics: As for `keras.Model.compile`.
        returned: Whether the label map returns logits; `None` for numbers.
    """
    if returned is None:
        return
    kinds = {True: "logits", False: "probabilities"}
    for metric in each(metrics):
        expected = expects_logits(metric)
        if expected not in (None, returned):
            warnings.warn(
                f"The label map returns {kinds[returned]} and the metric "
                f"`{metric.name}` expects {kinds[expected]}: pass a metric "
                f"with `from_logits={returned}`, those of "
                "`keras_reprogram.metrics` among them, or `thresholds=0.0` "
                f"for logits. Received: {type(metric).__name__}",
                stacklevel=4,
            )


def each(metrics: object) -> Iterator[keras.metrics.Metric]:
    """All metric objects of a nested structure."""
    for metric in keras.tree.flatten(metrics):
        if isinstance(metric, str) and hasattr(keras.metrics, metric):
            metric = keras.metrics.get(metric)
        if isinstance(metric, keras.metrics.Metric):
            yield metric


def expects_logits(metric: keras.metrics.Metric) -> bool | None:
    """Whether a metric takes logits; `None` where either will do."""
    settings = metric.get_config()
    if "from_logits" in settings:
        return bool(settings["from_logits"])
    if not isinstance(metric, WITH_THRESHOLD):
        return None
    threshold = settings.get("threshold", settings.get("thresholds"))
    # One that was set to be exceeded by logits is meant for them.
    return True if threshold in (0, [0], [0.0]) else False
