"""Arrangement of a sequence's segments, and selection of its outputs."""

import dataclasses
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import Configurable
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.tokens.padding_masks import MASKED
from keras_reprogram.inputs.tokens.padding_masks import rows_of_tokens
from keras_reprogram.inputs.tokens.padding_masks import without_marks
from keras_reprogram.inputs.tokens.steps import put_steps
from keras_reprogram.inputs.tokens.steps import take_steps
from keras_reprogram.representation import constructor_call
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@dataclasses.dataclass(frozen=True)
class SequenceLayout(Configurable):
    """The arrangement of segments in a sequence.

    Padding is a run of the padding token at an end of a sample, or `MASKED`
    steps. It is moved behind everything else.

    Args:
        lengths: List of integers. Number of steps of each segment; `None` for
            the sample.
        is_read: List of booleans. For each segment, whether the source's
            outputs at its steps are used.
        padding_token: Integer or `None`. The token that pads a sample.
    """

    lengths: list[int | None]
    is_read: list[bool]
    padding_token: int | None

    __repr__ = constructor_call

    @property
    def before(self) -> int:
        """Number of steps before the sample."""
        lengths = self.lengths[: self.lengths.index(None)]
        return sum(length or 0 for length in lengths)

    @property
    def behind(self) -> int:
        """Number of steps after the sample."""
        lengths = self.lengths[self.lengths.index(None) + 1 :]
        return sum(length or 0 for length in lengths)

    def sample_mask(self, samples: Tensor) -> Tensor:
        """Returns 1 for tokens and 0 for padding, `(batch, length)`."""
        is_token = ops.not_equal(samples, MASKED)
        if self.padding_token is None:
            return ops.cast(is_token, "int32")
        other = ops.logical_and(
            is_token, ops.not_equal(samples, self.padding_token)
        )
        count = ops.cumsum(ops.cast(other, "int32"), axis=1)
        total = ops.sum(ops.cast(other, "int32"), axis=1, keepdims=True)
        # Between other tokens, the padding token is an ordinary token.
        between = ops.logical_and(count > 0, count < total)
        mask = ops.logical_or(other, ops.logical_and(is_token, between))
        return ops.cast(mask, "int32")

    def tokens(self, samples: Tensor, mask: Tensor) -> Tensor:
        """Returns the samples' tokens from the left, then padding."""
        token = self.padding_token or 0
        tokens = without_marks(samples)
        tokens = ops.where(mask > 0, tokens, ops.full_like(tokens, token))
        return put_steps(tokens, self.from_the_left(mask))

    def from_the_left(self, mask: Tensor) -> Tensor:
        """Returns the new index of every step, a permutation in each row."""
        steps = ops.cumsum(mask, axis=1) - 1
        padding = ops.cumsum(1 - mask, axis=1) - 1
        padding = padding + ops.sum(mask, axis=1, keepdims=True)
        return ops.where(mask > 0, steps, padding)

    def arrange(
        self, segments: list[Tensor], lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns the sequence `(batch, steps, width)` and its mask.

        Args:
            segments: List of tensors. Embeddings of each segment, the sample's
            from the left.
            lengths: Tensor `(batch, 1)`. Number of tokens of each sample.
        """
        if self.before + self.behind == 0:
            # For an empty text, one step of padding is used.
            lengths = ops.maximum(lengths, 1)
        embeddings = ops.concatenate(segments, axis=1)
        size = ops.shape(embeddings)[1]
        steps = ops.arange(size, dtype="int32")[None]
        end = self.before + lengths
        if self.behind:
            padding = size - self.before - self.behind - lengths
            behind = ops.where(
                steps < end + self.behind, steps + padding, steps - self.behind
            )
            embeddings = take_steps(
                embeddings, ops.where(steps < end, steps, behind)
            )
        mask = ops.cast(steps < end + self.behind, "int32")
        return embeddings, mask

    def read(self, outputs: Tensor, samples: Tensor) -> Tensor:
        """Returns outputs at one step, or at the sample's steps."""
        mask = self.sample_mask(ops.cast(rows_of_tokens(samples), "int32"))
        lengths = ops.sum(mask, axis=1, keepdims=True)
        if any(self.is_read):
            sizes = self.lengths[: self.is_read.index(True)]
            places = ops.full_like(lengths, sum(size or 0 for size in sizes))
            if None in sizes:
                places = places + lengths
            return take_steps(outputs, places)[:, 0]
        places = self.from_the_left(mask)
        places = ops.where(
            mask > 0, self.before + places, self.before + self.behind + places
        )
        return take_steps(outputs, places)


@serializable
class ReadPositions(keras.layers.Layer):
    """Selects a sequence's outputs at the steps that its layout uses.

    Args:
        sequence_layout: A `SequenceLayout` or its config.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, sequence_layout: SequenceLayout | dict[str, Any], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.sequence_layout = (
            SequenceLayout(**sequence_layout)
            if isinstance(sequence_layout, dict)
            else sequence_layout
        )

    def call(self, outputs: Tensor, samples: Tensor) -> Tensor:
        return self.sequence_layout.read(outputs, samples)

    def compute_output_shape(
        self, outputs_shape: Shape, samples_shape: Shape | dict[str, Shape]
    ) -> Shape:
        batch, _, width = outputs_shape
        if any(self.sequence_layout.is_read):
            return (batch, width)
        if isinstance(samples_shape, dict):
            samples_shape = samples_shape["token_ids"]
        return (batch, samples_shape[1], width)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sequence_layout": self.sequence_layout.get_config(),
        }
