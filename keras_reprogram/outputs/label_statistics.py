"""Statistics of source and target classes within a training step."""

from keras import ops

from keras_reprogram.outputs.mappings.mapping import MapShape
from keras_reprogram.typing import Tensor


def statistics_of_step(
    contribution: tuple[Tensor, Tensor],
    labels: Tensor,
    shape: MapShape,
    num_position_axes: int = 0,
    multi_label: bool = False,
    ignored: int | None = None,
) -> Tensor:
    """Returns the statistics `[S, T]` of a batch.

    Args:
        contribution: Source classes and weights `(M, k)` of `M` samples or
            positions, from `StatisticsMapping.contribution`.
        labels: Tensor. Their labels, as for `LabelMapper.update_statistics`.
        shape: A `MapShape`.
        num_position_axes: Integer. Number of axes of positions. Defaults to
            `0`.
        multi_label: Boolean. Whether targets are binary. Defaults to `False`.
        ignored: Integer. A label that does not count. Defaults to `None`.
    """
    sources, weights = contribution
    sources = ops.cast(sources, "int32")
    num_sources, num_classes = shape.matrix
    if multi_label:
        # Comparisons with NaN, a missing label, are false.
        ones = ops.cast(ops.equal(labels, 1), "float32")
        ones = ops.reshape(ones, (-1, 1, num_classes))
        shares = ops.multiply(ops.expand_dims(weights, -1), ones)
        return ops.segment_sum(
            ops.reshape(shares, (-1, num_classes)),
            ops.reshape(sources, (-1,)),
            num_segments=num_sources,
        )
    labels = class_indices(labels, num_position_axes)
    valid = ops.logical_and(labels >= 0, labels < num_classes)
    if ignored is not None:
        valid = ops.logical_and(valid, ops.not_equal(labels, ignored))
    weights = ops.where(valid, weights, ops.zeros_like(weights))
    cells = sources * num_classes + labels
    cells = ops.where(valid, cells, ops.zeros_like(cells))
    sums = ops.segment_sum(
        ops.reshape(weights, (-1,)),
        ops.reshape(cells, (-1,)),
        num_segments=num_sources * num_classes,
    )
    return ops.reshape(sums, shape.matrix)


def weights_of_step(sample_weight: Tensor, rows: tuple[Tensor, ...]) -> Tensor:
    """Returns sample weights as `(M, 1)`, one for each sample or position.

    Args:
        sample_weight: Tensor `(batch,)` or `(batch, ...)`; a last axis of 1 may
            follow.
        rows: Tuple. The shape `(batch, ...)` of samples and positions.
    """
    weights = ops.cast(sample_weight, "float32")
    if len(weights.shape) > len(rows):
        weights = ops.squeeze(weights, -1)
    for _ in range(len(rows) - len(weights.shape)):
        weights = ops.expand_dims(weights, -1)
    return ops.reshape(ops.broadcast_to(weights, rows), (-1, 1))


def class_indices(labels: Tensor, num_position_axes: int) -> Tensor:
    """Returns labels as integers `(M, 1)`, -1 for a one-hot label of zeros."""
    if len(labels.shape) == num_position_axes + 2 and labels.shape[-1] != 1:
        classes = ops.cast(ops.argmax(labels, axis=-1), "int32")
        has_class = ops.greater(ops.max(labels, axis=-1), 0)
        labels = ops.where(has_class, classes, -ops.ones_like(classes))
    return ops.cast(ops.reshape(labels, (-1, 1)), "int32")
