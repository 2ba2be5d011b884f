"""The token mapping of dense combinations of source tokens (ReprogBERT)."""

import numpy as np
from keras import ops

from keras_reprogram.configurable import constant
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.inputs.tokens.token_mappings import CandidateMapping
from keras_reprogram.inputs.tokens.token_mappings import draw
from keras_reprogram.inputs.tokens.token_mappings import num_candidates
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.typing import Tensor


@serializable
class DenseCombination(CandidateMapping):
    """Target embeddings that combine all candidates: `V_T = Theta V_S`.

    Example:

    ```python
    # Twenty amino acids and a mask, out of 1,000 English word pieces.
    mapping = keras_reprogram.inputs.DenseCombination(vocabulary_size=21)
    reprogrammer = keras_reprogram.inputs.TokenReprogrammer(mapping)
    ```

    Args:
        vocabulary_size: Integer. Number of target tokens, `T`.
        candidates: Integer or list. Source tokens that may be used, as a list,
            or their number if they are drawn. The table has `T * candidates`
            values. Defaults to `1000`.
        seed: Integer. Seed of the candidates and of the initialization of each
            target token with one source token. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [ReprogBERT](https://arxiv.org/abs/2210.07144)
    """

    def expected_variables(
        self, source_embeddings: SourceEmbeddings
    ) -> list[ExpectedVariable]:
        count = num_candidates(self.candidates, source_embeddings)
        return [ExpectedVariable((self.vocabulary_size, count))]

    def add_variables(self) -> None:
        super().add_variables()
        start = draw(len(self.chosen), self.num_tokens, self.seed)
        theta = np.zeros((self.num_tokens, len(self.chosen)), "float32")
        theta[np.arange(self.num_tokens), start] = 1.0
        self.theta = self.add_weight(
            name="theta",
            shape=theta.shape,
            initializer=constant(theta),
        )

    def table(self, training: bool = False) -> Tensor:
        theta = ops.cast(self.theta, self.compute_dtype)
        return ops.matmul(theta, self.source_rows(self.chosen))
