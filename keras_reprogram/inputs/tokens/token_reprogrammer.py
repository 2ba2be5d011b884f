"""From a target sequence of tokens to what a text source expects."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.inputs.tokens import layout as layouts
from keras_reprogram.inputs.tokens import token_mappings
from keras_reprogram.inputs.tokens.layout import SAMPLE
from keras_reprogram.inputs.tokens.layout import FixedTokens
from keras_reprogram.inputs.tokens.layout import MaskToken
from keras_reprogram.inputs.tokens.layout import SoftPrompt
from keras_reprogram.inputs.tokens.token_mappings import TokenMapping
from keras_reprogram.inputs.tokens.token_mappings import row_lookup
from keras_reprogram.inputs.valid import all_of_row
from keras_reprogram.inputs.valid import known_tokens
from keras_reprogram.sources.specification import SourceSpecification

AUTO = "auto"


@serializable
class TokenReprogrammer(InputTransformation):
    """Gives a text source the embeddings of another language's tokens.

    ```
    x' = [.., mapping(tokens), .., soft prompt, ..]
    ```

    The source is a `keras_reprogram.sources.TextSource`. A sample is a row of
    integers; samples of any length go together, filled up at either end. A
    run of `padding_token` at an end of a row is padding, and within a row it
    is a token; or a mask says which steps are padding. Padding is moved behind
    everything else: the source sees one sequence without holes, and a text has
    the same answer whatever else is in its batch and wherever its padding is.
    Outputs at the steps of a sample are returned at the sample's own places.

    Sentences in the source's own tokens must begin and end as those that the
    source was trained on, such as by `[CLS]` and `[SEP]`: a tokenizer alone
    does not add these. The preprocessors of KerasHub do, and return the mask,
    too:

    ```
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor.from_preset(
        preset, sequence_length=128
    )
    model.fit(preprocessor(sentences), labels)  # token_ids and padding_mask
    ```

    So does a tokenizer with a packer, or `FixedTokens` in the `layout`:

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
        mapping: A `keras_reprogram.inputs.TokenMapping`: what a token of the
            target becomes.
        target_length: Steps of a sample. Left out, batches may be of
            different lengths.
        layout: What the source reads: a list with `"sample"` in it and
            around it `SoftPrompt`s or their lengths, `FixedTokens`, and at
            most one `MaskToken`. With that, a source that answers at every
            step is read there; otherwise at the steps of the sample.
        padding_token: The token that fills up a sample at its ends; `None`
            where none does. Defaults to `"auto"`: with `SourceTokens` the
            source's own, otherwise 0.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Integer tensor `(batch, length)`; or a dictionary of
            `"token_ids"` and their `"padding_mask"`, 1 for a token and 0 for
            padding, as KerasHub's preprocessors return it. Anything else in
            it is ignored.
        training: Whether the token mapping draws at random, where it does.

    Returns:
        A dictionary of `"embeddings"`, `(batch, steps, width)`, and
        `"padding_mask"`, `(batch, steps)`, 1 for a step and 0 for padding.

    Raises:
        ValueError: If the source takes no embeddings, or has not enough
            positions for the sequence.

    References:
        - [Neekhara et al. 2019](https://arxiv.org/abs/1809.01829)
        - [R2DL](https://arxiv.org/abs/2012.03460)
        - [WARP](https://arxiv.org/abs/2101.00121)
    """

    sample_dtype = "int32"

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
        self.target_shape = (target_length,)
        self.layout = layouts.check_layout(layout)
        self.padding_token = check_padding(
            padding_token, self.mapping.vocabulary_size
        )
        self.prompts = [
            segment
            for segment in self.layout
            if isinstance(segment, SoftPrompt)
        ]
        self.max_sequence_length: int | None = None
        self.start_token: int | None = None

    @property
    def sequence_layout(self) -> layouts.SequenceLayout:
        """Where everything in a sequence stands."""
        return layouts.SequenceLayout(
            [
                None if segment == SAMPLE else segment.length
                for segment in self.layout
            ],
            [isinstance(segment, MaskToken) for segment in self.layout],
            self.padding_token,
        )

    @property
    def added_length(self) -> int:
        """Steps of a sequence that are not the sample's."""
        return self.sequence_layout.before + self.sequence_layout.behind

    @property
    def takes_source_tokens(self) -> bool:
        """Whether samples are in the source's own tokens."""
        return self.mapping.vocabulary_size is None

    def complete(self, specification: SourceSpecification) -> None:
        if specification.embeddings is None:
            raise ValueError(
                "A `TokenReprogrammer` needs a source that takes embeddings: "
                "wrap a KerasHub backbone as "
                "`keras_reprogram.sources.TextSource(backbone)`. Received: a "
                f"source that takes {specification.accepted_shape}"
            )
        self.max_sequence_length = specification.max_sequence_length
        self.check_length(self.target_length)
        if not self.built:
            for segment in (self.mapping, *self.prompts):
                segment.build_on(specification.embeddings)
        source_size = int(specification.embeddings.shape[0])
        if self.padding_token == AUTO:
            self.padding_token = 0
            if self.takes_source_tokens:
                self.padding_token = specification.padding_token
        if self.takes_source_tokens:
            check_padding(self.padding_token, source_size)
        self.start_token = specification.start_token
        # The source's own variable: neither tracked nor saved here.
        self.source_embeddings = lambda: specification.embeddings
        self.source_rows = row_lookup(specification.embeddings)
        self.check_fixed_tokens(source_size)
        self.built = True

    @property
    def size(self) -> int:
        """Number of tokens in the samples' vocabulary."""
        return self.mapping.vocabulary_size or self.mapping.source_size

    def valid(self, samples: Any) -> Any:
        samples = ops.cast(layouts.rows_of_tokens(samples), "int32")
        tokens = layouts.without_marks(samples)
        is_masked = ops.equal(samples, layouts.MASKED)
        return all_of_row(
            ops.logical_or(is_masked, known_tokens(tokens, self.size))
        )

    @property
    def valid_values(self) -> str:
        return f"tokens from 0 to {self.size - 1}"

    def check_length(self, length: Any) -> None:
        if integer(length) is None:  # unknown, or a symbol in an export
            length = None
        steps = (length or 1) + self.added_length
        if (
            self.max_sequence_length is not None
            and steps > self.max_sequence_length
        ):
            raise ValueError(
                f"The source has positions for {self.max_sequence_length} "
                "steps: shorten the samples or the prompts. Received: samples "
                f"of {length or 'any number of'} steps and "
                f"{self.added_length} steps around them"
            )

    def check_fixed_tokens(self, source_size: int) -> None:
        for segment in self.layout:
            if isinstance(segment, (FixedTokens, MaskToken)) and (
                max(segment.token_ids) >= source_size
            ):
                raise ValueError(
                    f"Fixed tokens must be below {source_size}, the size of "
                    f"the source's vocabulary. Received: {segment.token_ids}"
                )

    def merged(self, samples: dict[str, Any]) -> Any:
        return layouts.rows_of_tokens(samples)

    def hint(self, samples: Any) -> str:
        return f"{layouts.HOW_TO_TOKENIZE} "

    def check_values(self, samples: np.ndarray) -> None:
        if samples.dtype.kind not in "iu" or samples.ndim != 2:
            raise ValueError(
                f"{layouts.HOW_TO_TOKENIZE} Received: samples of dtype "
                f"{samples.dtype}, shape {samples.shape}"
            )
        self.check_length(samples.shape[1])
        if samples.shape[1] + self.added_length == 0:
            raise ValueError(
                "Samples must have at least one step, which may be padding. "
                f"Received: samples of shape {samples.shape}"
            )
        size = self.size
        # Of a type that holds marks, too.
        if samples.dtype == "uint64":
            samples = np.minimum(samples, np.uint64(2**62))
        samples = samples.astype("int64", copy=False)
        tokens = samples
        if samples.size and samples.max() >= size:
            marked = samples >= layouts.PRESENT
            tokens = np.where(marked, samples - layouts.PRESENT, samples)
        low = np.where(tokens == layouts.MASKED, 0, tokens).min(initial=0)
        high = tokens.max(initial=0)
        if not 0 <= low <= high < size:
            raise ValueError(
                f"Tokens must be from 0 to {size - 1}. Received: tokens from "
                f"{low} to {high}"
            )
        self.check_start(samples, tokens)

    def check_start(self, samples: np.ndarray, tokens: np.ndarray) -> None:
        """Warns, once, if no text begins as the source's texts do."""
        starts = [
            segment.token_ids
            for segment in self.layout
            if isinstance(segment, (FixedTokens, MaskToken))
        ]
        if (
            self.start_token is None
            or not self.takes_source_tokens
            or any(self.start_token in start for start in starts)
        ):
            return
        is_text = samples != layouts.MASKED
        if self.padding_token is not None:
            is_text &= samples != self.padding_token
        first = is_text.argmax(axis=1)[:, None]
        begins = np.take_along_axis(tokens, first, axis=1) == self.start_token
        if not is_text.any() or begins.any():
            return
        warnings.warn(
            f"No text begins with the source's start token {self.start_token} "
            "(`[CLS]`, `<s>` or the like), as the texts that it was trained "
            "on do: tokenize by a preprocessor of KerasHub or with a "
            "`keras_hub.layers.MultiSegmentPacker` or `StartEndPacker`, or "
            f"put `FixedTokens([{self.start_token}])` into the `layout`.",
            stacklevel=2,
        )
        self.start_token = None

    def get_build_config(self) -> None:
        # The layer is built by the model, with its source.
        return None

    def call(self, inputs: Any, training: bool = False) -> dict[str, Any]:
        samples = ops.cast(layouts.rows_of_tokens(inputs), "int32")
        self.check_length(samples.shape[1])
        mask = self.sequence_layout.sample_mask(samples)
        tokens = self.sequence_layout.tokens(samples, mask)
        lengths = ops.sum(mask, axis=1, keepdims=True)
        neighbors = {"lengths": lengths} if self.mapping.reads_neighbors else {}
        # A backend's own lookup fails, or takes another row.
        known = known_tokens(tokens, self.size)
        tokens = ops.where(known, tokens, ops.zeros_like(tokens))
        embeddings = self.mapping(tokens, training=training, **neighbors)
        embeddings = ops.where(known[..., None], embeddings, float("nan"))
        segments = [
            embeddings if segment == SAMPLE else self.fixed(segment, samples)
            for segment in self.layout
        ]
        embeddings, mask = self.sequence_layout.arrange(segments, lengths)
        return {"embeddings": embeddings, "padding_mask": mask}

    def fixed(
        self, segment: SoftPrompt | FixedTokens | MaskToken, samples: Any
    ) -> Any:
        """A segment of every sequence, `(batch, steps, width)`."""
        if isinstance(segment, SoftPrompt):
            rows = segment.embeddings
        else:
            rows = self.source_rows(segment.token_ids)
        rows = ops.cast(rows, self.compute_dtype)[None]
        return ops.repeat(rows, ops.shape(samples)[0], axis=0)

    def select_outputs(self, outputs: Any, samples: Any) -> Any:
        """Outputs at the mask token, or at the steps of the sample."""
        if len(outputs.shape) != 3:
            return outputs
        return layouts.ReadPositions(self.sequence_layout)(outputs, samples)

    def training_callbacks(self) -> list[keras.callbacks.Callback]:
        return self.mapping.training_callbacks()

    def compute_output_spec(
        self, inputs: Any, training: bool = False
    ) -> dict[str, keras.KerasTensor]:
        if isinstance(inputs, dict):
            inputs = inputs["token_ids"]
        batch, length = inputs.shape
        self.check_length(length)
        steps = None if length is None else length + self.added_length
        return {
            "embeddings": keras.KerasTensor(
                (batch, steps, self.mapping.width), self.compute_dtype
            ),
            "padding_mask": keras.KerasTensor((batch, steps), "int32"),
        }

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


def check_padding(token: Any, vocabulary_size: int | None) -> int | str | None:
    """Checks a padding token given by the user."""
    if token is None or (isinstance(token, str) and token == AUTO):
        return token
    number = integer(token)
    if number is None or not 0 <= number < (vocabulary_size or math.inf):
        raise ValueError(
            '`padding_token` must be "auto", a token, from 0 up to the size '
            "of the vocabulary, or `None` where there is no padding. "
            f"Received: padding_token={token!r} in a vocabulary of "
            f"{vocabulary_size or 'the source'}"
        )
    return number
