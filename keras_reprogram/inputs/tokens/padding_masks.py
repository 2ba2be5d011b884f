"""Token samples and their padding mask, merged into one tensor."""

import keras
import numpy as np
from keras import ops

from keras_reprogram.dtypes import numbers_of
from keras_reprogram.typing import Tensor

# Replaces the tokens of a sample that a mask marks as padding.
MASKED = int(np.iinfo("int32").min)
# Added to tokens that a mask does not mark as padding.
PRESENT = 2**30
HOW_TO_TOKENIZE = (
    "Samples must be rows of integers, the token IDs. Convert sentences with "
    "a KerasHub preprocessor, such as "
    "`keras_hub.models.BertTextClassifierPreprocessor`, or a tokenizer and "
    "a `keras_hub.layers.MultiSegmentPacker` or `StartEndPacker`, which adds "
    "`[CLS]` and `[SEP]`."
)


def masked(token_ids: Tensor, padding_mask: Tensor) -> Tensor:
    """Merges tokens and their padding mask into one tensor of samples.

    Padding becomes `MASKED`. All other tokens are marked as tokens, even if
    they equal the padding token.

    Args:
        token_ids: Integer array or tensor `(batch, length)`.
        padding_mask: Of the same shape: 1 or `True` for a token, 0 or `False`
            for padding, at the ends or anywhere else.

    Returns:
        Integers `(batch, length)`: a tensor if one of the arguments is a
        tensor, otherwise an array.

    Raises:
        ValueError: If the tokens are not integers, or the mask has another
            shape or other values.
    """
    parts = [token_ids, padding_mask]
    in_graph = [
        ops.is_tensor(part) or keras.utils.is_keras_tensor(part)
        for part in parts
    ]
    if not any(in_graph):
        token_ids, padding_mask = map(np.asarray, parts)
        check_mask(padding_mask)
    elif not all(in_graph):
        token_ids, padding_mask = map(ops.convert_to_tensor, parts)
    dtype = keras.backend.standardize_dtype(token_ids.dtype)
    if "int" not in dtype:
        raise ValueError(
            f"{HOW_TO_TOKENIZE} Received: token_ids of dtype {dtype}"
        )
    shapes = tuple(token_ids.shape), tuple(padding_mask.shape)
    if len(shapes[0]) != len(shapes[1]) or any(
        None not in sizes and sizes[0] != sizes[1] for sizes in zip(*shapes)
    ):
        raise ValueError(
            "`padding_mask` must have the shape of `token_ids`. Received: "
            f"padding_mask of shape {shapes[1]}, token_ids of shape "
            f"{shapes[0]}"
        )
    if any(in_graph):
        token_ids = ops.cast(token_ids, "int32")
        mark = ops.logical_and(token_ids >= 0, token_ids < PRESENT)
        token_ids = ops.where(mark, token_ids + PRESENT, token_ids)
        nothing = ops.full_like(token_ids, MASKED)
        return ops.where(ops.cast(padding_mask, "bool"), token_ids, nothing)
    # Values beyond the range of int32 are left to the layer's checks.
    token_ids = token_ids.astype("int64")
    mark = (token_ids >= 0) & (token_ids < PRESENT)
    token_ids = np.where(mark, token_ids + PRESENT, token_ids)
    token_ids = np.where(padding_mask.astype("bool"), token_ids, MASKED)
    fits = np.array_equal(token_ids, token_ids.astype("int32"))
    return token_ids.astype("int32") if fits else token_ids


def without_marks(samples: Tensor) -> Tensor:
    """Returns which tokens of samples a mask marks as padding."""
    return ops.where(samples >= PRESENT, samples - PRESENT, samples)


def check_mask(padding_mask: np.ndarray) -> None:
    is_numeric = padding_mask.dtype.kind in "biuf"
    if not is_numeric or not np.isin(padding_mask, (0, 1)).all():
        raise ValueError(
            "`padding_mask` must hold 1 or `True` for a token, and 0 or "
            f"`False` for padding. Received: padding_mask={padding_mask!r}"
        )


def rows_of_tokens(inputs: Tensor | dict[str, Tensor]) -> Tensor:
    """Returns samples as one tensor, including a preprocessor's output."""
    if not isinstance(inputs, dict):
        return inputs
    if "token_ids" not in inputs:
        raise ValueError(
            'A dictionary of samples must contain `"token_ids"` and may '
            'contain their `"padding_mask"`, as returned by a KerasHub '
            "preprocessor. "
            f"Received: a dictionary of {sorted(map(str, inputs))}"
        )
    tokens = numbers_of("token_ids", inputs["token_ids"], HOW_TO_TOKENIZE)
    mask = inputs.get("padding_mask")
    if mask is None:
        return tokens
    return masked(tokens, numbers_of("padding_mask", mask, HOW_TO_TOKENIZE))


def check_rows(samples: np.ndarray) -> None:
    """Raises a `ValueError` for samples that are not rows of integers."""
    if samples.dtype.kind not in "iu" or samples.ndim != 2:
        raise ValueError(
            f"{HOW_TO_TOKENIZE} Received: samples of dtype "
            f"{samples.dtype}, shape {samples.shape}"
        )


def checked_tokens(
    samples: np.ndarray, vocabulary_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns samples as int64, and their tokens without marks.

    Args:
        samples: Array of rows of integers, with the marks of `masked` or
            without.
        vocabulary_size: Integer. Tokens are below it.

    Raises:
        ValueError: If a token is not in the vocabulary.
    """
    # int64 can also hold the marks.
    if samples.dtype == "uint64":
        samples = np.minimum(samples, np.uint64(2**62))
    samples = samples.astype("int64", copy=False)
    tokens = samples
    if samples.size and samples.max() >= vocabulary_size:
        tokens = np.where(samples >= PRESENT, samples - PRESENT, samples)
    low = np.where(tokens == MASKED, 0, tokens).min(initial=0)
    high = tokens.max(initial=0)
    if not 0 <= low <= high < vocabulary_size:
        raise ValueError(
            f"Tokens must be from 0 to {vocabulary_size - 1}. Received: tokens "
            f"from {low} to {high}"
        )
    return samples, tokens
