"""How outputs of a source for channels and patches become those of a sample."""

import dataclasses

from keras import ops

from keras_reprogram.probabilities import full_precision
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Tensor

MEAN, CONCATENATE = "mean", "concatenate"
POOLINGS = (MEAN, CONCATENATE)


def check_pooling(pooling: object) -> str | None:
    """Returns an argument `pooling` if it is valid."""
    if pooling is None:
        return None
    if not isinstance(pooling, str) or pooling not in POOLINGS:
        raise ValueError(
            "`pooling` must be `None`, for outputs by channel, or one of "
            f"{POOLINGS}. Received: pooling={pooling!r}"
        )
    return pooling


def mean_of_patches(outputs: Tensor, mask: Tensor = None) -> Tensor:
    """Returns the mean of outputs over patches.

    Args:
        outputs: Tensor `(rows, P, features)`, 0 where masked.
        mask: Tensor `(rows, P)`, 0 for masked patches and otherwise 1.
            Defaults to `None`, for no masked ones.
    """
    outputs = full_precision(outputs)
    if mask is None:
        return ops.mean(outputs, axis=1)
    count = ops.cast(ops.sum(mask, axis=1, keepdims=True), outputs.dtype)
    return ops.sum(outputs, axis=1) / count


def pooled_channels(outputs: Tensor, pooling: str) -> Tensor:
    """Returns one vector for a sample.

    Args:
        outputs: Tensor `(batch, channels, features)`.
        pooling: String. One of `POOLINGS`.
    """
    if pooling == MEAN:
        return ops.mean(full_precision(outputs), axis=1)
    return ops.reshape(outputs, (-1, outputs.shape[1] * outputs.shape[2]))


def describe_pooled(
    specification: SourceSpecification, pooling: str, channels: int
) -> SourceSpecification:
    """Returns the specification of pooled outputs.

    Args:
        specification: `SourceSpecification` of the source.
        pooling: String. One of `POOLINGS`.
        channels: Integer. Number of channels.
    """
    features, blocks = specification.num_classes, specification.block_sizes
    times = channels if pooling == CONCATENATE else 1
    check_size((times, features), LARGEST_SAMPLE)
    return dataclasses.replace(
        specification,
        num_classes=times * features,
        num_position_axes=0,
        block_sizes=times * (blocks or (features,)),
    )
