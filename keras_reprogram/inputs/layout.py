"""What stands in a sequence besides the sample: soft prompts, fixed tokens."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import Configurable
from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import constant
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.token_programs import draw

SAMPLE = "sample"


@serializable
@dataclasses.dataclass(frozen=True)
class FixedTokens(Configurable):
    """Source tokens that stand in every sequence, such as `[CLS]`.

    Args:
        tokens: The list of their numbers.
    """

    tokens: Sequence[int]

    def __post_init__(self) -> None:
        tokens = self.tokens
        tokens = tokens if isinstance(tokens, (list, tuple)) else [tokens]
        numbers = [integer(token) for token in tokens]
        if not numbers or None in numbers or min(numbers) < 0:
            raise ValueError(
                "`tokens` must be a list of the source's tokens. Received: "
                f"tokens={self.tokens!r}"
            )
        self.settle(tokens=numbers)

    @property
    def length(self) -> int:
        return len(self.tokens)


@serializable
@dataclasses.dataclass(frozen=True)
class MaskToken(FixedTokens):
    """The source's mask token, at which its output is read.

    Args:
        tokens: Its number.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length != 1:
            raise ValueError(
                "The source's output is read at one mask token. Received: "
                f"tokens={self.tokens}"
            )


@serializable
class SoftPrompt(keras.layers.Layer):
    """Trained embeddings that stand in every sequence: words that no one said.

    Args:
        length: Number of steps.
        tokens: Source tokens whose embeddings are the start, one for each
            step; drawn at random where left out.
        seed: Integer seed of that draw.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [WARP](https://arxiv.org/abs/2101.00121)
        - [Prompt tuning](https://arxiv.org/abs/2104.08691)
    """

    def __init__(
        self,
        length: int,
        tokens: Sequence[int] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.length = positive_integer("length", length)
        if tokens is not None:
            tokens = FixedTokens(tokens).tokens
            if len(tokens) != self.length:
                raise ValueError(
                    "`tokens` must hold a token for each of the "
                    f"{self.length} steps. Received: tokens={tokens}"
                )
        self.tokens = tokens
        self.seed = check_seed(seed)

    def build_on(self, source_embeddings: keras.Variable) -> None:
        start = self.tokens
        if start is None:
            size = int(source_embeddings.shape[0])
            start = draw(size, self.length, self.seed)
        rows = ops.take(source_embeddings, np.asarray(start), axis=0)
        rows = ops.convert_to_numpy(ops.cast(rows, "float32"))
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=rows.shape,
            initializer=constant(rows),
        )
        self.built = True

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "length": self.length,
            "tokens": self.tokens,
            "seed": self.seed,
        }


Piece = str | SoftPrompt | FixedTokens


def check_layout(layout: Sequence[Any]) -> list[Piece]:
    """Returns the pieces of a sequence, from their configs or themselves."""
    pieces = [
        keras.saving.deserialize_keras_object(piece)
        if isinstance(piece, dict)
        else piece
        for piece in (layout if isinstance(layout, (list, tuple)) else [layout])
    ]
    pieces = [
        SoftPrompt(piece) if integer(piece) is not None else piece
        for piece in pieces
    ]
    known = all(
        isinstance(piece, (SoftPrompt, FixedTokens)) or piece == SAMPLE
        for piece in pieces
    )
    masks = [piece for piece in pieces if isinstance(piece, MaskToken)]
    if not known or pieces.count(SAMPLE) != 1 or len(masks) > 1:
        raise ValueError(
            'The layout of a sequence holds "sample" once, and around it '
            "`SoftPrompt`s or their lengths, `FixedTokens`, and at most one "
            f"`MaskToken`. Received: layout={layout!r}"
        )
    return pieces


@dataclasses.dataclass(frozen=True)
class Order(Configurable):
    """Where everything in a sequence stands.

    Args:
        lengths: Steps of each piece; `None` for the sample.
        is_read: For each piece, whether the source's output is read there.
        padding_token: The token that fills up a sample, or `None`.
    """

    lengths: list[int | None]
    is_read: list[bool]
    padding_token: int | None

    @property
    def moves_padding(self) -> bool:
        """Whether something stands behind the sample's padding."""
        return self.padding_token is not None and self.lengths[-1] is not None

    def sample_mask(self, samples: Any) -> Any:
        """1 for a step of the sample and 0 for padding."""
        if self.padding_token is None:
            return ops.ones_like(samples)
        return ops.cast(ops.not_equal(samples, self.padding_token), "int32")

    def mask(self, sample_mask: Any) -> Any:
        """The same for all pieces, one behind the other."""
        batch = ops.shape(sample_mask)[0]
        return ops.concatenate(
            [
                sample_mask
                if length is None
                else ops.ones((batch, length), sample_mask.dtype)
                for length in self.lengths
            ],
            axis=1,
        )

    def places(self, mask: Any) -> Any:
        """Where every step goes: padding moves behind all that is none.

        Args:
            mask: Integer tensor `(batch, length)` of `mask`.

        Returns:
            An integer tensor of the same shape: a permutation in each row.
        """
        if not self.moves_padding:
            return ops.cumsum(ops.ones_like(mask), axis=1) - 1
        steps = ops.cumsum(mask, axis=1) - 1
        padding = ops.cumsum(1 - mask, axis=1) - 1
        padding = padding + ops.sum(mask, axis=1, keepdims=True)
        return ops.where(mask > 0, steps, padding)

    def arrange(self, pieces: list[Any], sample_mask: Any) -> tuple[Any, Any]:
        """The sequence `(batch, length, width)` and its mask."""
        embeddings = ops.concatenate(pieces, axis=1)
        mask = self.mask(sample_mask)
        if self.moves_padding:
            steps = ops.argsort(self.places(mask), axis=1)
            embeddings = ops.take_along_axis(
                embeddings, steps[:, :, None], axis=1
            )
            mask = ops.take_along_axis(mask, steps, axis=1)
        return embeddings, mask

    def read(self, outputs: Any, samples: Any) -> Any:
        """Outputs where they are read: at one step, or at the sample's."""
        mask = self.mask(self.sample_mask(ops.cast(samples, "int32")))
        places = self.places(mask)
        piece = self.lengths.index(None)
        if any(self.is_read):
            piece = self.is_read.index(True)
        length = ops.shape(mask)[1]
        sample = length - sum(size or 0 for size in self.lengths)
        sizes = [sample if size is None else size for size in self.lengths]
        start = sum(sizes[:piece])
        chosen = places[:, start : start + sizes[piece]]
        read = ops.take_along_axis(outputs, chosen[:, :, None], axis=1)
        return read[:, 0] if any(self.is_read) else read


@serializable
class Alignment(keras.layers.Layer):
    """Takes a sequence's outputs where its layout reads them.

    Args:
        order: The pieces of the sequence, an `Order` or its config.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, order: Order | dict, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order = Order(**order) if isinstance(order, dict) else order

    def call(self, outputs: Any, samples: Any) -> Any:
        return self.order.read(outputs, samples)

    def compute_output_shape(self, outputs_shape: tuple, samples_shape: tuple):
        batch, _, width = outputs_shape
        if any(self.order.is_read):
            return (batch, width)
        return (batch, samples_shape[1], width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "order": self.order.get_config()}
