"""Numbers as targets, of which some may be missing, which are NaN."""

from keras import ops

from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


def known_targets(y_true: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """Returns targets of a shape, and which of them are known.

    Args:
        y_true: Tensor. Numbers, NaN for missing ones.
        shape: Tuple. Shape of the predictions, of which `y_true` may lack a
            last axis of 1.

    Returns:
        Targets as float32, 0 where not known, and a mask.

    Raises:
        ValueError: If the targets have another shape.
    """
    values = ops.cast(y_true, "float32")
    if len(values.shape) == len(shape) - 1 and shape[-1] == 1:
        values = ops.expand_dims(values, -1)
    pairs = list(zip(values.shape, shape))
    if len(values.shape) != len(shape) or any(
        None not in pair and pair[0] != pair[1] for pair in pairs
    ):
        raise ValueError(
            "Targets and predictions must have the same shape; of quantiles, "
            "targets have all axes but the last. Received: targets of shape "
            f"{tuple(ops.shape(y_true))} for predictions of shape "
            f"{tuple(shape)}"
        )
    known = ops.logical_not(ops.isnan(values))
    return ops.where(known, values, ops.zeros_like(values)), known


def counted(errors: Tensor, known: Tensor) -> Tensor:
    """Scales errors so that their mean is that of the known ones.

    Args:
        errors: Tensor of any shape.
        known: Boolean tensor of the same shape.

    Returns:
        A tensor of the same shape, 0 where not known.
    """
    errors = ops.where(known, errors, ops.zeros_like(errors))
    share = ops.mean(ops.cast(known, errors.dtype))
    return errors / ops.where(share > 0, share, ops.ones_like(share))
