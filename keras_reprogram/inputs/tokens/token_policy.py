"""Random source tokens for the samples of a batch, and their scores."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras import ops

from keras_reprogram.inputs.tokens.steps import take_steps
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Tensor

if TYPE_CHECKING:
    from keras_reprogram.inputs.tokens.token_remapping import TokenRemapping
    from keras_reprogram.inputs.tokens.token_reprogrammer import (
        TokenReprogrammer,
    )


class TokenPolicy:
    """Draws a source token for every context, by a `TokenRemapping`'s softmax.

    ```
    pi(s at i) = softmax_s  sum_j  theta[j, token(i + j), s]
    d log pi(s at i) / d theta[j, token(i + j)] = onehot(s) - pi(at i)
    ```

    As in prediction, steps of a sample with the same context have the same
    source token. It is drawn once and has one factor in the probability of the
    sample.

    Args:
        reprogrammer: A `TokenReprogrammer`.
        mapping: Its `TokenRemapping`.
        samples: Tensor. A batch of samples.

    Attributes:
        shape: Tuple. Shape of a draw, `(batch, length)`.
        probabilities: Tensor `(batch, length, candidates)`.
    """

    def __init__(
        self,
        reprogrammer: "TokenReprogrammer",
        mapping: "TokenRemapping",
        samples: Tensor,
    ) -> None:
        self.reprogrammer, self.mapping = reprogrammer, mapping
        self.tokens, self.lengths = reprogrammer.tokens_of(samples)
        known = reprogrammer.known(self.tokens)
        self.neighbors = mapping.neighbors(known, self.lengths)
        self.probabilities = ops.softmax(mapping.logits(self.neighbors))
        self.steps = ops.cumsum(ops.ones_like(self.tokens), axis=1) - 1
        self.first_steps = first_steps(self.neighbors, self.steps)

    @property
    def shape(self) -> FixedShape:
        return tuple(ops.shape(self.tokens))

    def choose(self, numbers: Tensor) -> Tensor:
        """Returns the candidates that random numbers choose.

        Args:
            numbers: Tensor `(batch, length)`, uniform between 0 and 1. Those of
                the first step of every context count.

        Returns:
            An integer tensor `(batch, length)`.
        """
        numbers = take_steps(numbers, self.first_steps)
        cumulative = ops.cumsum(self.probabilities, axis=-1)[..., :-1]
        passed = ops.cast(cumulative < numbers[..., None], "int32")
        return ops.sum(passed, axis=-1)

    def source_inputs(self, choices: Tensor) -> Tensor | dict[str, Tensor]:
        """Returns the source's inputs for a draw."""
        embeddings = self.mapping.rows_of_choices(choices)
        return self.reprogrammer.sequences(
            embeddings, self.tokens, self.lengths
        )

    def score(self, draws: Sequence[Tensor], weights: Tensor) -> Tensor:
        """Returns the gradient of weighted log-probabilities of draws.

        ```
        sum_k sum_b weights[k, b] * d log pi(draws[k][b]) / d theta
        ```

        Args:
            draws: List of tensors. The return values of `choose`.
            weights: Tensor `(draws, batch)`.

        Returns:
            A tensor of the shape of `theta`. Padding has no part in it.
        """
        size = len(self.mapping.chosen)
        total = -self.probabilities * ops.sum(weights, axis=0)[:, None, None]
        for index, choices in enumerate(draws):
            chosen = ops.one_hot(choices, size, dtype="float32")
            total = total + chosen * weights[index][:, None, None]
        is_drawn = ops.logical_and(
            self.steps < self.lengths, self.steps == self.first_steps
        )
        total = total * ops.cast(is_drawn, "float32")[..., None]
        rows = ops.reshape(total, (-1, size))
        return ops.stack(
            [
                ops.segment_sum(
                    rows,
                    ops.reshape(tokens, (-1,)),
                    num_segments=self.mapping.num_tokens,
                )
                for tokens in self.neighbors
            ]
        )


def first_steps(neighbors: Sequence[Tensor], steps: Tensor) -> Tensor:
    """Returns the first step of each row with the context of a step.

    Args:
        neighbors: List of tensors `(batch, length)`. The tokens of contexts.
        steps: Integer tensor `(batch, length)`. The index of every step.

    Returns:
        An integer tensor `(batch, length)`.
    """
    earlier = steps[:, None, :] + ops.zeros_like(steps)[:, :, None]
    for tokens in neighbors:
        is_same = tokens[:, :, None] == tokens[:, None, :]
        earlier = ops.where(is_same, earlier, steps[:, :, None])
    return ops.min(earlier, axis=-1)
