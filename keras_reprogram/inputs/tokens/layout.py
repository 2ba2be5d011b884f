"""What stands in a sequence besides the sample: soft prompts, fixed tokens."""

import dataclasses
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import Configurable
from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import constant
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.tokens.steps import put_steps
from keras_reprogram.inputs.tokens.steps import take_steps
from keras_reprogram.inputs.tokens.token_mappings import draw
from keras_reprogram.inputs.tokens.token_mappings import row_lookup

SAMPLE = "sample"
# What stands in a sample where a mask says that there is padding.
MASKED = int(np.iinfo("int32").min)
# Added to a token of which a mask says that it is no padding.
PRESENT = 2**30
HOW_TO_TOKENIZE = (
    "Samples must be rows of integers, the numbers of tokens. Sentences are "
    "made into rows by a preprocessor of KerasHub, such as "
    "`keras_hub.models.BertTextClassifierPreprocessor`; or by a tokenizer and "
    "a `keras_hub.layers.MultiSegmentPacker` or `StartEndPacker`, which adds "
    "`[CLS]` and `[SEP]`."
)


def masked(token_ids: Any, padding_mask: Any) -> Any:
    """Tokens and their padding mask as one tensor of samples.

    Padding becomes `MASKED`. Every other token is marked as one, so that it
    is no padding even where it is the padding token.

    Args:
        token_ids: Integers `(batch, length)`, an array or a tensor.
        padding_mask: Of the same shape: 1 or `True` for a token, 0 or `False`
            for padding, at the ends or anywhere else.

    Returns:
        Integers `(batch, length)`: a tensor of the backend where one of the
        two is such a tensor, otherwise an array.

    Raises:
        ValueError: If the tokens are not integers, the mask has another
            shape, or an array of it holds more than zeros and ones.
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
    # What is not within the range of int32 is left to the layer's checks.
    token_ids = token_ids.astype("int64")
    mark = (token_ids >= 0) & (token_ids < PRESENT)
    token_ids = np.where(mark, token_ids + PRESENT, token_ids)
    token_ids = np.where(padding_mask.astype("bool"), token_ids, MASKED)
    fits = np.array_equal(token_ids, token_ids.astype("int32"))
    return token_ids.astype("int32") if fits else token_ids


def without_marks(samples: Any) -> Any:
    """The tokens of samples of which a mask says that they are none."""
    return ops.where(samples >= PRESENT, samples - PRESENT, samples)


def check_mask(padding_mask: np.ndarray) -> None:
    known = padding_mask.dtype.kind in "biuf"
    if not known or not np.isin(padding_mask, (0, 1)).all():
        raise ValueError(
            "`padding_mask` must hold 1 or `True` for a token, and 0 or "
            f"`False` for padding. Received: padding_mask={padding_mask!r}"
        )


def rows_of_tokens(inputs: Any) -> Any:
    """Samples as one tensor, also those of a KerasHub preprocessor."""
    if not isinstance(inputs, dict):
        return inputs
    if "token_ids" not in inputs:
        raise ValueError(
            'A dictionary of samples must hold `"token_ids"`, and may hold '
            'their `"padding_mask"`, as those of a KerasHub preprocessor do. '
            f"Received: a dictionary of {sorted(inputs)}"
        )
    if inputs.get("padding_mask") is None:
        return inputs["token_ids"]
    return masked(inputs["token_ids"], inputs["padding_mask"])


@serializable
@dataclasses.dataclass(frozen=True)
class FixedTokens(Configurable):
    """Source tokens that stand in every sequence, such as `[CLS]`.

    Args:
        token_ids: The list of their numbers.
    """

    token_ids: Sequence[int]

    def __post_init__(self) -> None:
        token_ids = self.token_ids
        if not isinstance(token_ids, (list, tuple)):
            token_ids = [token_ids]
        numbers = [integer(token) for token in token_ids]
        if not numbers or None in numbers or min(numbers) < 0:
            raise ValueError(
                "`token_ids` must be a list of the source's tokens. Received: "
                f"token_ids={self.token_ids!r}"
            )
        self.set_fields(token_ids=numbers)

    @property
    def length(self) -> int:
        return len(self.token_ids)


@serializable
@dataclasses.dataclass(frozen=True)
class MaskToken(Configurable):
    """The source's mask token, at which its output is read.

    Args:
        token_id: Its number.
    """

    token_id: int
    length: ClassVar[int] = 1

    def __post_init__(self) -> None:
        number = integer(self.token_id)
        if number is None or number < 0:
            raise ValueError(
                "The source's output is read at one mask token: `token_id` "
                f"must be its number. Received: token_id={self.token_id!r}"
            )
        self.set_fields(token_id=number)

    @property
    def token_ids(self) -> list[int]:
        return [self.token_id]


@serializable
class SoftPrompt(keras.layers.Layer):
    """Trained embeddings that stand in every sequence: words that no one said.

    Args:
        length: Number of steps.
        token_ids: Source tokens whose embeddings are the start, one for each
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
        token_ids: Sequence[int] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.length = positive_integer("length", length)
        if token_ids is not None:
            token_ids = FixedTokens(token_ids).token_ids
            if len(token_ids) != self.length:
                raise ValueError(
                    "`token_ids` must hold a token for each of the "
                    f"{self.length} steps. Received: token_ids={token_ids}"
                )
        self.token_ids = token_ids
        self.seed = check_seed(seed)

    def build_on(self, source_embeddings: keras.Variable) -> None:
        start = self.token_ids
        if start is None:
            size = int(source_embeddings.shape[0])
            start = draw(size, self.length, self.seed)
        rows = row_lookup(source_embeddings)(start)
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
            "token_ids": self.token_ids,
            "seed": self.seed,
        }


Segment = str | SoftPrompt | FixedTokens | MaskToken


def check_layout(layout: Sequence[Any]) -> list[Segment]:
    """Returns the segments of a sequence, from their configs or themselves."""
    segments = [
        keras.saving.deserialize_keras_object(segment)
        if isinstance(segment, dict)
        else segment
        for segment in (
            layout if isinstance(layout, (list, tuple)) else [layout]
        )
    ]
    segments = [
        SoftPrompt(segment) if integer(segment) is not None else segment
        for segment in segments
    ]
    known = all(
        isinstance(segment, (SoftPrompt, FixedTokens, MaskToken))
        or segment == SAMPLE
        for segment in segments
    )
    masks = [segment for segment in segments if isinstance(segment, MaskToken)]
    if not known or segments.count(SAMPLE) != 1 or len(masks) > 1:
        raise ValueError(
            'The layout of a sequence holds "sample" once, and around it '
            "`SoftPrompt`s or their lengths, `FixedTokens`, and at most one "
            f"`MaskToken`. Received: layout={layout!r}"
        )
    return segments


@dataclasses.dataclass(frozen=True)
class SequenceLayout(Configurable):
    """Where everything in a sequence stands.

    Padding is a run of the padding token at an end of a sample, and what is
    `MASKED`. It stands behind everything else.

    Args:
        lengths: Steps of each segment; `None` for the sample.
        is_read: For each segment, whether the source's output is read there.
        padding_token: The token that fills up a sample, or `None`.
    """

    lengths: list[int | None]
    is_read: list[bool]
    padding_token: int | None

    @property
    def before(self) -> int:
        """Steps before the sample."""
        return sum(self.lengths[: self.lengths.index(None)])

    @property
    def behind(self) -> int:
        """Steps of what follows the sample."""
        return sum(self.lengths[self.lengths.index(None) + 1 :])

    def sample_mask(self, samples: Any) -> Any:
        """1 for a token of the sample and 0 for padding, `(batch, length)`."""
        is_token = ops.not_equal(samples, MASKED)
        if self.padding_token is None:
            return ops.cast(is_token, "int32")
        other = ops.logical_and(
            is_token, ops.not_equal(samples, self.padding_token)
        )
        count = ops.cumsum(ops.cast(other, "int32"), axis=1)
        total = ops.sum(ops.cast(other, "int32"), axis=1, keepdims=True)
        # Between two other tokens the padding token is a token, too.
        between = ops.logical_and(count > 0, count < total)
        mask = ops.logical_or(other, ops.logical_and(is_token, between))
        return ops.cast(mask, "int32")

    def tokens(self, samples: Any, mask: Any) -> Any:
        """The samples' tokens from the left, then padding."""
        token = self.padding_token or 0
        tokens = without_marks(samples)
        tokens = ops.where(mask > 0, tokens, ops.full_like(tokens, token))
        return put_steps(tokens, self.from_the_left(mask))

    def from_the_left(self, mask: Any) -> Any:
        """Where every step goes: a permutation in each row."""
        steps = ops.cumsum(mask, axis=1) - 1
        padding = ops.cumsum(1 - mask, axis=1) - 1
        padding = padding + ops.sum(mask, axis=1, keepdims=True)
        return ops.where(mask > 0, steps, padding)

    def arrange(self, segments: list[Any], lengths: Any) -> tuple[Any, Any]:
        """The sequence `(batch, steps, width)` and its mask.

        Args:
            segments: Embeddings of each segment, the sample's from the left.
            lengths: Tokens of each sample, `(batch, 1)`.
        """
        if self.before + self.behind == 0:
            # Of an empty text, one step of padding is read.
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

    def read(self, outputs: Any, samples: Any) -> Any:
        """Outputs where they are read: at one step, or at the sample's."""
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
    """Takes a sequence's outputs where its layout reads them.

    Args:
        sequence_layout: The segments of the sequence, a `SequenceLayout` or
            its config.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, sequence_layout: SequenceLayout | dict, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.sequence_layout = (
            SequenceLayout(**sequence_layout)
            if isinstance(sequence_layout, dict)
            else sequence_layout
        )

    def call(self, outputs: Any, samples: Any) -> Any:
        return self.sequence_layout.read(outputs, samples)

    def compute_output_shape(
        self, outputs_shape: tuple, samples_shape: Any
    ) -> tuple[int | None, ...]:
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
