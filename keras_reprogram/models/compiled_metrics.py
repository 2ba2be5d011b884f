"""Metrics by name, as the label map's outputs and labels need them."""

from typing import Any

from keras_reprogram.labels import LabelMapper
from keras_reprogram.labels.label_end import LabelEnd

ACCURACY = ("accuracy", "acc")


def reading_as(metrics: Any, mapper: LabelEnd) -> Any:
    """Replaces the names of metrics that Keras would read in another way.

    Keras takes binary predictions for probabilities, cuts them at 0.5, and
    counts labels that are missing: NaN, or -1 at a position.

    Args:
        metrics: As for `keras.Model.compile`.
        mapper: The label map.
    """
    if isinstance(metrics, dict):
        return {
            key: reading_as(metric, mapper) for key, metric in metrics.items()
        }
    if isinstance(metrics, (list, tuple)):
        return [reading_as(metric, mapper) for metric in metrics]
    if (
        not isinstance(metrics, str)
        or metrics not in ACCURACY
        or not isinstance(mapper, LabelMapper)
    ):
        return metrics
    from keras_reprogram.metrics import KnownAccuracy
    from keras_reprogram.metrics import KnownBinaryAccuracy

    if mapper.multi_label:
        return KnownBinaryAccuracy(
            from_logits=mapper.returns_logits, name=metrics
        )
    return KnownAccuracy(name=metrics) if mapper.positions else metrics
