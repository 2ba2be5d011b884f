"""Validity checks of samples in compiled steps, which cannot raise errors."""

from keras import ops

from keras_reprogram.dtypes import is_float
from keras_reprogram.typing import Tensor


def finite_rows(samples: Tensor) -> Tensor | None:
    """Returns which samples of a batch are finite; `None` for integers."""
    return all_of_row(ops.isfinite(samples)) if is_float(samples) else None


def known_rows(tokens: Tensor, vocabulary_size: int) -> Tensor:
    """Returns which rows of tokens are in the vocabulary."""
    return all_of_row(known_tokens(tokens, vocabulary_size))


def known_tokens(tokens: Tensor, vocabulary_size: int) -> Tensor:
    """Returns which tokens are in the vocabulary."""
    return ops.logical_and(tokens >= 0, tokens < vocabulary_size)


def all_of_row(valid: Tensor) -> Tensor:
    return ops.all(valid, axis=tuple(range(1, len(valid.shape))))
