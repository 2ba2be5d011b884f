"""Validity checks of samples in compiled steps, which cannot raise errors."""

from keras import ops

from keras_reprogram.dtypes import is_float
from keras_reprogram.typing import Tensor


def finite_rows(samples: Tensor, allow_nan: bool = False) -> Tensor | None:
    """Returns which samples of a batch are finite; `None` for integers.

    Args:
        samples: Tensor. A batch of samples.
        allow_nan: Boolean. Whether NaN, which marks a missing value, counts
            as finite. Defaults to `False`.
    """
    if not is_float(samples):
        return None
    finite = ops.isfinite(samples)
    if allow_nan:
        finite = ops.logical_or(finite, ops.isnan(samples))
    return all_of_row(finite)


def known_rows(tokens: Tensor, vocabulary_size: int) -> Tensor:
    """Returns which rows of tokens are in the vocabulary."""
    return all_of_row(known_tokens(tokens, vocabulary_size))


def known_tokens(tokens: Tensor, vocabulary_size: int) -> Tensor:
    """Returns which tokens are in the vocabulary."""
    return ops.logical_and(tokens >= 0, tokens < vocabulary_size)


def all_of_row(valid: Tensor) -> Tensor:
    return ops.all(valid, axis=tuple(range(1, len(valid.shape))))
