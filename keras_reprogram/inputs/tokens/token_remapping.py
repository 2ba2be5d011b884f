"""The token mapping to single source tokens (Neekhara et al. 2019)."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.inputs.tokens.steps import take_steps
from keras_reprogram.inputs.tokens.token_mappings import CandidateMapping
from keras_reprogram.inputs.tokens.token_mappings import num_candidates
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.typing import Tensor


@serializable
class TokenRemapping(CandidateMapping):
    """Maps every target token, or every context, to one source token.

    ```
    source token at i = argmax_s  sum_j  theta[j, token(i + j), s]
    ```

    with `j` over a context of `context` tokens about `i`. In training the
    argmax is a Gumbel-softmax with a straight-through gradient: a source token
    is drawn, and the gradient is that of the softmax. Inference is
    deterministic.

    Example:

    ```python
    mapping = keras_reprogram.inputs.TokenRemapping(vocabulary_size=60)
    reprogrammer = keras_reprogram.inputs.TokenReprogrammer(mapping)
    ```

    Args:
        vocabulary_size: Integer. Number of target tokens, `T`.
        candidates: Integer or list. Source tokens that may be used, as a list,
            or their number if they are drawn. The table has
            `context * T * candidates` values. Defaults to `1000`.
        context: Odd integer. Number of neighboring target tokens that determine
            the source token. At the ends of a text its first and last token are
            repeated. Defaults to `1`.
        temperature: Float greater than 0. Temperature of the softmax. Defaults
            to `1`.
        seed: Integer. Seed of the candidates, the initialization and the noise.
            Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - Neekhara et al. 2019, [Adversarial Reprogramming of Text
          Classification Neural Networks](https://arxiv.org/abs/1809.01829)
    """

    returns_source_tokens = True

    def __init__(
        self,
        vocabulary_size: int,
        candidates: int | Sequence[int] = 1000,
        context: int = 1,
        temperature: float = 1.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocabulary_size, candidates, seed, **kwargs)
        self.context = positive_integer("context", context)
        if self.context % 2 == 0:
            raise ValueError(
                "`context` must be odd: a token and as many on either side. "
                f"Received: context={context}"
            )
        self.temperature = number("temperature", temperature, 1e-6)
        self.reads_neighbors = self.context > 1
        self.generator = keras.random.SeedGenerator(self.seed)

    def expected_variables(
        self, source_embeddings: SourceEmbeddings
    ) -> list[ExpectedVariable]:
        count = num_candidates(self.candidates, source_embeddings)
        return [ExpectedVariable((self.context, self.vocabulary_size, count))]

    def add_variables(self) -> None:
        super().add_variables()
        self.theta = self.add_weight(
            name="theta",
            shape=(self.context, self.vocabulary_size, len(self.chosen)),
            initializer=keras.initializers.RandomNormal(
                mean=0.0, stddev=0.1, seed=self.seed
            ),
            # Lower precision cannot distinguish logits with noise.
            autocast=False,
        )

    def choose(self, logits: Tensor, training: bool) -> Tensor:
        """Returns the embedding of one source token for each row of logits."""
        if training:
            noise = keras.random.uniform(
                ops.shape(logits),
                minval=1e-6,
                maxval=1.0,
                dtype="float32",
                seed=self.generator,
            )
            logits = logits - ops.log(1e-6 - ops.log(noise))
        best = ops.argmax(logits, axis=-1)
        if not training or not self.source_embeddings.has_gradient:
            return self.rows_of_choices(best)
        drawn = ops.one_hot(best, len(self.chosen), dtype=logits.dtype)
        soft = ops.softmax(logits / self.temperature, axis=-1)
        drawn = drawn + soft - ops.stop_gradient(soft)
        drawn = ops.cast(drawn, self.compute_dtype)
        return ops.matmul(drawn, self.source_rows(self.chosen))

    def call(
        self,
        tokens: Tensor,
        training: bool = False,
        lengths: Tensor | None = None,
    ) -> Tensor:
        if self.context == 1:
            # One draw for all occurrences of a token: faster and consistent.
            theta = ops.cast(self.theta, "float32")
            table = self.choose(theta[0], training)
            return ops.take(table, tokens, axis=0)
        return self.choose(
            self.logits(self.neighbors(tokens, lengths)), training
        )

    def rows_of_choices(self, choices: Tensor) -> Tensor:
        """Returns the embeddings of candidates, by their indices."""
        return self.source_rows(ops.take(self.chosen, choices, axis=0))

    def neighbors(
        self, tokens: Tensor, lengths: Tensor | None = None
    ) -> list[Tensor]:
        """Returns the tokens at every place of the context.

        Args:
            tokens: Integer tensor `(batch, length)`.
            lengths: Integer tensor `(batch, 1)`. Number of tokens in each row.
                Defaults to all.

        Returns:
            A list of `context` tensors `(batch, length)`.
        """
        side = self.context // 2
        tokens = ops.convert_to_tensor(tokens, "int32")
        ones = ops.ones_like(tokens)
        if lengths is None:
            lengths = ops.sum(ones, axis=1, keepdims=True)
        last = ops.maximum(lengths - 1, 0)
        steps = ops.cumsum(ones, axis=1) - 1
        return [
            take_steps(
                tokens, ops.minimum(ops.maximum(steps + offset, 0), last)
            )
            for offset in range(-side, side + 1)
        ]

    def logits(self, neighbors: list[Tensor]) -> Tensor:
        """Returns the logits of the candidates, `(batch, length, candidates)`.

        Args:
            neighbors: List of tensors. As `neighbors` returns them.
        """
        theta = ops.cast(self.theta, "float32")
        return sum(
            ops.take(theta[index], tokens, axis=0)
            for index, tokens in enumerate(neighbors)
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "context": self.context,
            "temperature": self.temperature,
        }
