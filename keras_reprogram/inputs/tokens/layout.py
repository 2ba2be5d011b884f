"""Layout segments of a sequence: soft prompts, fixed and mask tokens."""

import dataclasses
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

import keras
import numpy as np

from keras_reprogram.configurable import Configurable
from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import constant
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.inputs.tokens.source_embeddings import token_list
from keras_reprogram.inputs.tokens.token_mappings import draw
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.program_parts import check_new

SAMPLE = "sample"


@serializable
@dataclasses.dataclass(frozen=True)
class FixedTokens(Configurable):
    """Fixed source tokens of every sequence, such as `[CLS]`.

    Args:
        token_ids: List of integers. The source's tokens.
    """

    token_ids: Sequence[int]

    def __post_init__(self) -> None:
        self.set_fields(token_ids=token_list("token_ids", self.token_ids))

    @property
    def length(self) -> int:
        return len(self.token_ids)


@serializable
@dataclasses.dataclass(frozen=True)
class MaskToken(Configurable):
    """The source's mask token, whose output is used.

    Args:
        token_id: Integer. The source's mask token.
    """

    token_id: int
    length: ClassVar[int] = 1

    def __post_init__(self) -> None:
        number = integer(self.token_id)
        if number is None or number < 0:
            raise ValueError(
                "The source's output is used at one mask token: `token_id` "
                f"must be its ID. Received: token_id={self.token_id!r}"
            )
        self.set_fields(token_id=number)

    @property
    def token_ids(self) -> list[int]:
        return [self.token_id]


@serializable
class SoftPrompt(ProgramPart, keras.layers.Layer):
    """Trainable embeddings that are added to every sequence.

    Args:
        length: Integer. Number of steps.
        token_ids: List of integers, one for each step. Source tokens whose
            embeddings initialize the prompt. Defaults to tokens drawn at
            random.
        seed: Integer. Seed of that draw. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [WARP](https://arxiv.org/abs/2101.00121)
        - [Prompt tuning](https://arxiv.org/abs/2104.08691)
    """

    def __init__(
        self,
        length: int,
        token_ids: Sequence[int] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.length = positive_integer("length", length)
        if token_ids is not None:
            token_ids = token_list("token_ids", token_ids)
            if len(token_ids) != self.length:
                raise ValueError(
                    "`token_ids` must hold a token for each of the "
                    f"{self.length} steps. Received: token_ids={token_ids}"
                )
        self.token_ids = token_ids
        self.seed = check_seed(seed)

    def expected_variables(
        self, source_embeddings: SourceEmbeddings
    ) -> list[ExpectedVariable]:
        """As `TokenMapping.expected_variables`."""
        source_embeddings.check_tokens("`token_ids`", self.token_ids or [])
        return [ExpectedVariable((self.length, source_embeddings.width))]

    def build_on(self, source_embeddings: SourceEmbeddings) -> None:
        """Creates the variables.

        Args:
            source_embeddings: `SourceEmbeddings` of the source.
        """
        check_new(self)
        if self.token_ids is None:
            start = draw(source_embeddings.size, self.length, self.seed)
        else:
            source_embeddings.check_tokens("`token_ids`", self.token_ids)
            start = np.asarray(self.token_ids, "int32")
        rows = source_embeddings.array(start)
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
            "token_ids": self.token_ids,
            "seed": self.seed,
        }


Segment = str | SoftPrompt | FixedTokens | MaskToken


def check_layout(layout: Sequence[Any]) -> list[Segment]:
    """Returns the segments of a sequence from configs or segments."""
    segments: list[Any] = [
        keras.saving.deserialize_keras_object(segment)
        if isinstance(segment, dict)
        else segment
        for segment in (
            layout if isinstance(layout, (list, tuple)) else [layout]
        )
    ]
    lengths = [integer(segment) for segment in segments]
    segments = [
        segment if length is None else SoftPrompt(length)
        for segment, length in zip(segments, lengths)
    ]
    are_valid = all(
        isinstance(segment, (SoftPrompt, FixedTokens, MaskToken))
        or segment == SAMPLE
        for segment in segments
    )
    masks = [segment for segment in segments if isinstance(segment, MaskToken)]
    if not are_valid or segments.count(SAMPLE) != 1 or len(masks) > 1:
        raise ValueError(
            'The layout of a sequence contains "sample" once, and around it '
            "`SoftPrompt`s or their lengths, `FixedTokens`, and at most one "
            f"`MaskToken`. Received: layout={layout!r}"
        )
    return segments
