"""Hard decisions with the gradient of soft ones."""

from keras import ops

from keras_reprogram.typing import Tensor


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """Returns `hard`, with the gradient of `soft`."""
    return ops.add(ops.stop_gradient(ops.subtract(hard, soft)), soft)
