"""The tokens of a source that takes their IDs."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Tensor


class SourceTokenIDs(SourceEmbeddings):
    """Token IDs as embeddings of width 1, for a source that takes the IDs.

    Rows are integers, which no dtype policy rounds.

    Args:
        specification: A `SourceSpecification` with `num_tokens`.
    """

    has_gradient = False
    unknown = -1

    def __init__(self, specification: SourceSpecification) -> None:
        self.size, self.width = specification.num_tokens or 0, 1
        self.length = specification.max_sequence_length or 0
        self.padding_token = specification.padding_token

    def is_same(self, other: SourceEmbeddings) -> bool:
        return isinstance(other, SourceTokenIDs) and self.size == other.size

    def rows(
        self,
        tokens: Tensor | np.ndarray | Sequence[int] | None = None,
        dtype: str | None = None,
    ) -> Tensor:
        if tokens is None:
            tokens = ops.arange(self.size, dtype="int32")
        return ops.convert_to_tensor(tokens, "int32")[..., None]

    def source_inputs(self, sequences: dict[str, Tensor]) -> Tensor:
        """Returns IDs `(batch, max_sequence_length)`, padding behind."""
        token_ids = ops.where(
            sequences["padding_mask"] > 0,
            sequences["embeddings"][..., 0],
            self.padding_token,
        )
        missing = self.length - token_ids.shape[1]
        return ops.pad(
            token_ids,
            [[0, 0], [0, missing]],
            constant_values=self.padding_token,
        )

    def source_inputs_spec(
        self, sequences: dict[str, keras.KerasTensor]
    ) -> keras.KerasTensor:
        batch = sequences["padding_mask"].shape[0]
        return keras.KerasTensor((batch, self.length), "int32")
