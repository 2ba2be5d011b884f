"""A source behind a Python function that takes the IDs of tokens."""

from typing import Any

import numpy as np

from keras_reprogram.black_box.queried_source import QueriedSource
from keras_reprogram.black_box.query_layer import Function
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import positive_integer

# Answers are cached with float32 inputs, which hold these integers exactly.
LARGEST_VOCABULARY = 2**24


class QueriedTextSource(QueriedSource):
    """A classifier of text behind a Python function of token IDs.

    The function may tokenize nothing itself, as an ONNX session, or turn the
    IDs into text for a web service. It has no embeddings that could be read:
    the input transformation is a `TokenReprogrammer` that chooses source
    tokens, with a `TokenRemapping` or with `SourceTokens`, and
    `FixedTokens` around them. Answers are cached as by `QueriedSource`.

    Example:

    ```python
    def classify(token_ids):  # stands for a web service
        positive = (token_ids % 2).mean(axis=1)
        return np.stack([1 - positive, positive], axis=1)

    source = keras_reprogram.black_box.QueriedTextSource(
        classify, num_tokens=100, max_sequence_length=8, num_classes=2
    )
    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.inputs.TokenReprogrammer(
            keras_reprogram.inputs.TokenRemapping(vocabulary_size=5)
        ),
        keras_reprogram.LabelMapper(2, "identity"),
    )
    ```

    Args:
        function: Callable. Maps an int32 NumPy array `(n,
            max_sequence_length)` of token IDs to an array or tensor `(n,
            num_classes)`. Sequences that are shorter end in `padding_token`.
        num_tokens: Integer. Size of the vocabulary; IDs are below it.
        max_sequence_length: Integer. Length of all sequences.
        num_classes: Integer. The number of source classes; 1 for a single
            probability or logit.
        padding_token: Integer. The token that pads a sequence. Defaults to
            `0`.
        start_token: Integer. The token that begins every sequence, such as
            that of `[CLS]`. Samples in the source's own tokens are checked for
            it. Defaults to `None`, no such token.
        **kwargs: Keyword arguments of `QueriedSource`.

    Raises:
        ValueError: If an argument is not valid.
    """

    input_dtype = "int32"

    def __init__(
        self,
        function: Function,
        num_tokens: int,
        max_sequence_length: int,
        num_classes: int,
        padding_token: int = 0,
        start_token: int | None = None,
        **kwargs: Any,
    ) -> None:
        num_tokens = positive_integer("num_tokens", num_tokens)
        if num_tokens > LARGEST_VOCABULARY:
            raise ValueError(
                f"`num_tokens` must be at most {LARGEST_VOCABULARY}. Received: "
                f"num_tokens={num_tokens}"
            )
        if not callable(function):
            raise ValueError(
                "`function` must take an array to an array. Received: "
                f"function={function!r}"
            )
        padding_token = one_token("padding_token", padding_token, num_tokens)
        if start_token is not None:
            start_token = one_token("start_token", start_token, num_tokens)
        length = positive_integer("max_sequence_length", max_sequence_length)

        def query(inputs: np.ndarray) -> Any:
            return function(token_ids(inputs, num_tokens))

        super().__init__(query, (length,), num_classes, **kwargs)
        self.query.num_tokens = num_tokens
        self.num_tokens, self.max_sequence_length = num_tokens, length
        self.padding_token, self.start_token = padding_token, start_token


def one_token(name: str, token: object, num_tokens: int) -> int:
    """Returns a token of the vocabulary that a user passed."""
    number = integer(token)
    if number is None or not 0 <= number < num_tokens:
        raise ValueError(
            f"`{name}` must be a token from 0 to {num_tokens - 1}. Received: "
            f"{name}={token!r}"
        )
    return number


def token_ids(inputs: np.ndarray, num_tokens: int) -> np.ndarray:
    """Returns the inputs of the source as integers, if they are tokens."""
    if inputs.min() < 0 or inputs.max() >= num_tokens:
        raise ValueError(
            f"The source's tokens are from 0 to {num_tokens - 1}: check the "
            "samples. Received: tokens from "
            f"{inputs.min():.0f} to {inputs.max():.0f}"
        )
    return inputs.astype("int32")
