"""The layer that converts target tokens to embeddings for a text source."""

import math
import warnings
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.tokens import layout as layouts
from keras_reprogram.inputs.tokens import padding_masks
from keras_reprogram.inputs.tokens import token_mappings
from keras_reprogram.inputs.tokens.layout import SAMPLE
from keras_reprogram.inputs.tokens.layout import FixedTokens
from keras_reprogram.inputs.tokens.layout import MaskToken
from keras_reprogram.inputs.tokens.layout import SoftPrompt
from keras_reprogram.inputs.tokens.sequence_layout import ReadPositions
from keras_reprogram.inputs.tokens.sequence_layout import SequenceLayout
from keras_reprogram.inputs.tokens.sequence_transformation import (
    SequenceTransformation,
)
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.inputs.tokens.source_token_ids import SourceTokenIDs
from keras_reprogram.inputs.tokens.token_mappings import TokenMapping
from keras_reprogram.inputs.tokens.token_policy import TokenPolicy
from keras_reprogram.inputs.tokens.token_remapping import TokenRemapping
from keras_reprogram.inputs.valid import all_of_row
from keras_reprogram.inputs.valid import known_tokens
from keras_reprogram.program_parts import LONGEST_SEQUENCE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

AUTO = "auto"


@serializable
class TokenReprogrammer(SequenceTransformation):
    """Converts target tokens to embeddings for a text source.

    ```
    x' = [.., mapping(tokens), .., soft prompt, ..]
    ```

    The source is a `keras_reprogram.sources.TextSource`. A sample is a row of
    integers; samples of different lengths are padded at either end. A run of
    `padding_token` at an end of a row is padding, and within a row it is a
    token; alternatively, a mask marks padding. Padding is moved behind
    everything else: the source receives contiguous sequences, and predictions
    do not depend on the other texts of a batch or on the position of padding.
    Outputs at the steps of a sample are returned in their original order.

    Sentences in the source's own tokens must begin and end like those in the
    source's training, for example with `[CLS]` and `[SEP]`, which a tokenizer
    alone does not add. The preprocessors of KerasHub do, and return the mask:

    ```
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor.from_preset(
        preset, sequence_length=128
    )
    model.fit(preprocessor(sentences), labels)  # token_ids and padding_mask
    ```

    A tokenizer with a packer, or `FixedTokens` in the `layout`, adds them too:

    ```
    tokenizer = keras_hub.models.Tokenizer.from_preset(preset)
    packer = keras_hub.layers.MultiSegmentPacker(  # or StartEndPacker
        sequence_length=128,
        start_value=tokenizer.cls_token_id,
        end_value=tokenizer.sep_token_id,
        pad_value=tokenizer.pad_token_id,
    )
    token_ids, _ = packer(tokenizer(sentences))
    ```

    Example:

    ```python
    # Molecules, letter by letter, for an English model.
    reprogrammer = keras_reprogram.inputs.TokenReprogrammer(
        keras_reprogram.inputs.SparseCombination(vocabulary_size=60),
        target_length=100,
    )
    # Sentences in the model's own tokens; BERT reads them as
    # [CLS] <8 trained steps> sentence [MASK] [SEP] (WARP).
    reprogrammer = keras_reprogram.inputs.TokenReprogrammer(
        keras_reprogram.inputs.SourceTokens(),
        layout=[
            keras_reprogram.inputs.FixedTokens([101]),
            keras_reprogram.inputs.SoftPrompt(8),
            "sample",
            keras_reprogram.inputs.MaskToken(103),
            keras_reprogram.inputs.FixedTokens([102]),
        ],
    )
    ```

    Args:
        mapping: `keras_reprogram.inputs.TokenMapping`. Converts target tokens
            to embeddings.
        target_length: Integer. Number of steps of a sample. Defaults to `None`,
            for batches of different lengths.
        layout: List of the sequence's segments: `"sample"`, and around it
            `SoftPrompt`s or their lengths, `FixedTokens`, and at most one
            `MaskToken`. With a mask token, the source's output at its step is
            used; otherwise those at the steps of the sample. Defaults to
            `None`, the sample alone.
        padding_token: Integer, or `None` if samples are not padded. The token
            that pads a sample at its ends. Defaults to `"auto"`: with
            `SourceTokens` the source's padding token, otherwise 0.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Integer tensor `(batch, length)`; or a dictionary of
            `"token_ids"` and their `"padding_mask"`, 1 for a token and 0 for
            padding, as KerasHub's preprocessors return it. Other entries are
            ignored.
        training: Boolean. Whether a stochastic token mapping draws at random.
            Defaults to `None`.

    Returns:
        A dictionary of `"embeddings"`, `(batch, steps, width)`, and
        `"padding_mask"`, `(batch, steps)`, 1 for a step and 0 for padding.

    Raises:
        ValueError: If the source takes no embeddings, or the sequence is too
            long for it.

    References:
        - [Neekhara et al. 2019](https://arxiv.org/abs/1809.01829)
        - [R2DL](https://arxiv.org/abs/2012.03460)
        - [WARP](https://arxiv.org/abs/2101.00121)
    """

    sample_dtype = "int32"
    program_objects = {
        "mapping": TokenMapping,
        "layout": (SoftPrompt, FixedTokens, MaskToken),
    }
    program_strings = {"layout": (SAMPLE,), "padding_token": (AUTO,)}

    def __init__(
        self,
        mapping: TokenMapping,
        target_length: int | None = None,
        layout: Sequence[Any] = (SAMPLE,),
        padding_token: int | str | None = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mapping = token_mappings.get(mapping)
        if target_length is not None:
            target_length = positive_integer("target_length", target_length)
        self.target_length = target_length
        self.layout = layouts.check_layout(layout)
        self.padding_token = check_padding(
            padding_token, self.mapping.vocabulary_size
        )
        self.prompts = [
            segment
            for segment in self.layout
            if isinstance(segment, SoftPrompt)
        ]
        self.source_padding_token: int | None = None
        self.max_sequence_length: int | None = None
        self.start_token: int | None = None
        self.has_warned = False

    # === The source ===

    def resolve(
        self,
        specification: SourceSpecification,
        source: Callable[[Tensor], Tensor],
    ) -> None:
        self.accept_embeddings(specification, "TextSource(backbone)")
        embeddings = self.source_embeddings
        self.max_sequence_length = specification.max_sequence_length
        self.check_length(self.target_length)
        for tokens in self._fixed_tokens:
            embeddings.check_tokens("Fixed tokens", tokens)
        if not self.built:
            self.mapping.build_on(embeddings)
            for prompt in self.prompts:
                prompt.build_on(embeddings)
        self.source_padding_token = 0
        if self._takes_source_tokens:
            self.source_padding_token = specification.padding_token
            check_padding(self.resolved_padding_token, embeddings.size)
        self.start_token = specification.start_token
        self.built = True

    def embeddings_of(
        self, specification: SourceSpecification, advice: str
    ) -> SourceEmbeddings:
        if specification.num_tokens is None:
            return super().embeddings_of(specification, advice)
        if not self.mapping.returns_source_tokens or self.prompts:
            raise ValueError(
                "This source takes the IDs of its tokens, and no embeddings: "
                "pass `TokenRemapping(vocabulary_size)` or `SourceTokens()`, "
                "and no soft prompts. Received: "
                f"mapping={self.mapping!r} with {len(self.prompts)} soft "
                "prompts"
            )
        return SourceTokenIDs(specification)

    @property
    def sample_shape(self) -> Shape:
        return (self.target_length,)

    @property
    def resolved_padding_token(self) -> int | None:
        """The token that pads a sample, or `None`."""
        if isinstance(self.padding_token, str):
            return self.source_padding_token
        return self.padding_token

    @property
    def _fixed_tokens(self) -> list[list[int]]:
        """The tokens of each segment of fixed tokens."""
        return [
            list(segment.token_ids or ())
            for segment in self.layout
            if not isinstance(segment, (str, SoftPrompt))
        ]

    @property
    def sequence_layout(self) -> SequenceLayout:
        """The arrangement of the sequence's segments."""
        return SequenceLayout(
            [
                None if isinstance(segment, str) else segment.length
                for segment in self.layout
            ],
            [isinstance(segment, MaskToken) for segment in self.layout],
            self.resolved_padding_token,
        )

    @property
    def _added_length(self) -> int:
        """Number of steps around the sample."""
        return self.sequence_layout.before + self.sequence_layout.behind

    @property
    def _takes_source_tokens(self) -> bool:
        """Whether samples are in the source's own tokens."""
        return self.mapping.vocabulary_size is None

    @property
    def vocabulary_size(self) -> int:
        """Size of the samples' vocabulary."""
        return self.mapping.num_tokens

    # === Samples ===

    def merge(self, samples: dict[str, Tensor]) -> Tensor:
        return padding_masks.rows_of_tokens(samples)

    def hint(self, samples: object) -> str:
        return f"{padding_masks.HOW_TO_TOKENIZE} "

    def check_length(self, length: Any) -> None:
        """Raises a `ValueError` for samples that are too long."""
        if integer(length) is None:  # Unknown, or symbolic in an export.
            length = None
        self.check_steps(
            (length or 1) + self._added_length,
            self.max_sequence_length,
            "shorten the samples or the prompts",
            f"samples of {length or 'any number of'} steps and "
            f"{self._added_length} steps around them",
        )

    def check_values(self, samples: np.ndarray) -> None:
        padding_masks.check_rows(samples)
        self.check_length(samples.shape[1])
        if samples.shape[1] + self._added_length == 0:
            raise ValueError(
                "Samples must have at least one step, which may be padding. "
                f"Received: samples of shape {samples.shape}"
            )
        samples, tokens = padding_masks.checked_tokens(
            samples, self.vocabulary_size
        )
        self._check_start(samples, tokens)

    def _check_start(self, samples: np.ndarray, tokens: np.ndarray) -> None:
        """Warns once if no text begins with the source's start token."""
        start = self.start_token
        if (
            start is None
            or self.has_warned
            or not self._takes_source_tokens
            or any(start in tokens for tokens in self._fixed_tokens)
        ):
            return
        is_text = samples != padding_masks.MASKED
        if self.resolved_padding_token is not None:
            is_text &= samples != self.resolved_padding_token
        first = is_text.argmax(axis=1)[:, None]
        begins = np.take_along_axis(tokens, first, axis=1) == start
        if not is_text.any() or begins.any():
            return
        self.has_warned = True
        warnings.warn(
            f"No text begins with the source's start token {start} "
            "(such as `[CLS]` or `<s>`), unlike the texts of its training: "
            "tokenize with a KerasHub preprocessor or with a "
            "`keras_hub.layers.MultiSegmentPacker` or `StartEndPacker`, or "
            f"put `FixedTokens([{start}])` into the `layout`.",
            stacklevel=2,
        )

    def valid(self, samples: Tensor) -> Tensor | None:
        samples = ops.cast(padding_masks.rows_of_tokens(samples), "int32")
        tokens = padding_masks.without_marks(samples)
        is_masked = ops.equal(samples, padding_masks.MASKED)
        return all_of_row(
            ops.logical_or(
                is_masked, known_tokens(tokens, self.vocabulary_size)
            )
        )

    @property
    def valid_values(self) -> str:
        return f"tokens from 0 to {self.vocabulary_size - 1}"

    # === The layer ===

    def call(
        self, inputs: Tensor | dict[str, Tensor], training: bool = False
    ) -> Tensor | dict[str, Tensor]:
        tokens, lengths = self.tokens_of(inputs)
        # For invalid tokens, a backend's lookup fails or returns another row.
        known = self.known(tokens)
        neighbors = {"lengths": lengths} if self.mapping.reads_neighbors else {}
        embeddings = self.mapping(known, training=training, **neighbors)
        return self.sequences(embeddings, tokens, lengths)

    def tokens_of(
        self, inputs: Tensor | dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Returns the samples' tokens from the left, and their numbers.

        Args:
            inputs: A batch of samples.

        Returns:
            Tokens `(batch, length)` with padding behind, and the number of
            tokens of each sample, `(batch, 1)`.
        """
        samples = ops.cast(padding_masks.rows_of_tokens(inputs), "int32")
        self.check_length(samples.shape[1])
        layout = self.sequence_layout
        mask = layout.sample_mask(samples)
        lengths = ops.sum(mask, axis=1, keepdims=True)
        return layout.tokens(samples, mask), lengths

    def known(self, tokens: Tensor) -> Tensor:
        """Returns tokens with 0 for those that are not in the vocabulary."""
        is_known = known_tokens(tokens, self.vocabulary_size)
        return ops.where(is_known, tokens, ops.zeros_like(tokens))

    def sequences(
        self, embeddings: Tensor, tokens: Tensor, lengths: Tensor
    ) -> Tensor | dict[str, Tensor]:
        """Returns the source's inputs for the embeddings of samples.

        Args:
            embeddings: Tensor `(batch, length, width)`.
            tokens: Tensor. The samples' tokens, as `tokens_of` returns them.
            lengths: Tensor. Their numbers.
        """
        is_known = known_tokens(tokens, self.vocabulary_size)[..., None]
        unknown = self.source_embeddings.unknown
        segments = [
            ops.where(is_known, embeddings, unknown)
            if isinstance(segment, str)
            else self.repeat(self.rows_of(segment), tokens)
            for segment in self.layout
        ]
        rows, mask = self.sequence_layout.arrange(segments, lengths)
        return self.source_embeddings.source_inputs(
            {"embeddings": rows, "padding_mask": mask}
        )

    def rows_of(self, segment: SoftPrompt | FixedTokens | MaskToken) -> Tensor:
        """Returns the embeddings `(steps, width)` of a segment."""
        if isinstance(segment, SoftPrompt):
            return segment.embeddings
        return self.source_embeddings.rows(segment.token_ids)

    @property
    def has_token_policy(self) -> bool:
        return isinstance(self.mapping, TokenRemapping) and not self.prompts

    def token_policy(self, samples: Tensor) -> TokenPolicy:
        return TokenPolicy(self, self.mapping, samples)

    def select_outputs(self, outputs: Tensor, samples: Tensor) -> Tensor:
        """Returns outputs at the mask token, or at the steps of the sample."""
        if len(outputs.shape) != 3:
            return outputs
        return ReadPositions(self.sequence_layout)(outputs, samples)

    def training_callbacks(self) -> list[keras.callbacks.Callback]:
        return self.mapping.training_callbacks()

    def compute_output_spec(
        self, inputs: Tensor, training: bool = False
    ) -> keras.KerasTensor | dict[str, keras.KerasTensor]:
        if isinstance(inputs, dict):
            inputs = inputs["token_ids"]
        batch, length = inputs.shape
        self.check_length(length)
        steps = None if length is None else length + self._added_length
        return self.source_embeddings.source_inputs_spec(
            self.sequence_spec(batch, steps, self.mapping.width)
        )

    # === Saving ===

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "mapping": serialize(self.mapping),
            "target_length": self.target_length,
            "layout": [
                segment if segment == SAMPLE else serialize(segment)
                for segment in self.layout
            ],
            "padding_token": self.padding_token,
        }

    def expected_variables(
        self, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        embeddings = self.embeddings_of(specification, "TextSource(backbone)")
        steps = (self.target_length or 1) + self._added_length
        check_size((steps,), LONGEST_SEQUENCE)
        variables = self.mapping.expected_variables(embeddings)
        for prompt in self.prompts:
            variables += prompt.expected_variables(embeddings)
        return variables

    def check_variables(self) -> None:
        self.mapping.check_variables()

    def resolved_config(self) -> dict[str, Any]:
        config = super().resolved_config()
        if self.built:
            config["padding_token"] = self.resolved_padding_token
        return config


def check_padding(
    token: object, vocabulary_size: int | None
) -> int | str | None:
    """Checks a padding token given by the user."""
    if token is None or (isinstance(token, str) and token == AUTO):
        return token
    number = integer(token)
    if number is None or not 0 <= number < (vocabulary_size or math.inf):
        raise ValueError(
            '`padding_token` must be "auto", a token, from 0 up to the size '
            "of the vocabulary, or `None` if there is no padding. "
            f"Received: padding_token={token!r} in a vocabulary of "
            f"{vocabulary_size or 'the source'}"
        )
    return number
