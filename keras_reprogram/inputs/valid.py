"""What samples hold, told on the device, where nothing can be raised."""

from keras import ops

from keras_reprogram.dtypes import is_float
from keras_reprogram.typing import Tensor


def finite_rows(samples: Tensor) -> Tensor | None:
    """Which samples of a batch are finite; `None` for those of integers."""
    return all_of_row(ops.isfinite(samples)) if is_float(samples) else None


def known_rows(tokens: Tensor, vocabulary_size: int) -> Tensor:
    """Which rows of tokens are in the vocabulary."""
    return all_of_row(known_tokens(tokens, vocabulary_size))


def known_tokens(tokens: Tensor, vocabulary_size: int) -> Tensor:
    """Which tokens are in the vocabulary."""
    return ops.logical_and(tokens >= 0, tokens < vocabulary_size)


def all_of_row(valid: Tensor) -> Tensor:
    return ops.all(valid, axis=tuple(range(1, len(valid.shape))))
