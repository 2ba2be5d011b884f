"""From a target sequence of tokens to what a text source expects."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs import layout as layouts
from keras_reprogram.inputs import token_programs
from keras_reprogram.inputs.input_end import InputEnd
from keras_reprogram.inputs.layout import SAMPLE
from keras_reprogram.inputs.layout import FixedTokens
from keras_reprogram.inputs.layout import MaskToken
from keras_reprogram.inputs.layout import SoftPrompt
from keras_reprogram.inputs.token_programs import TokenProgram
from keras_reprogram.specification import SourceSpecification


@serializable
class TokenReprogrammer(InputEnd):
    """Gives a text source the embeddings of another language's tokens.

    ```
    x' = [.., program(tokens), .., soft prompt, ..]
    ```

    The source is a `keras_reprogram.sources.TextSource`. A sample is a row of
    integers, filled up with `padding_token`; samples of any length go
    together. In a layout with more than the sample, padding is moved behind
    everything else, so that the source sees one sequence without holes.

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
        tokens: A `keras_reprogram.inputs.TokenProgram`: what a token of the
            target becomes.
        target_length: Steps of a sample. Left out, batches may be of
            different lengths.
        layout: What the source reads: a list with `"sample"` in it and
            around it `SoftPrompt`s or their lengths, `FixedTokens`, and at
            most one `MaskToken`. With that, a source that answers at every
            step is read there; otherwise at the steps of the sample.
        padding_token: The target token that fills up a sample; `None` where
            there is no padding.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Integer tensor `(batch, length)`.
        training: Whether the token program draws at random, where it does.

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
        tokens: TokenProgram,
        target_length: int | None = None,
        layout: Sequence[Any] = (SAMPLE,),
        padding_token: int | None = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tokens = token_programs.get(tokens)
        if target_length is not None:
            target_length = positive_integer("target_length", target_length)
        self.target_length = target_length
        self.target_shape = (target_length,)
        self.layout = layouts.check_layout(layout)
        if padding_token is not None and integer(padding_token) is None:
            raise ValueError(
                "`padding_token` must be an integer or `None`. Received: "
                f"padding_token={padding_token!r}"
            )
        self.padding_token = padding_token
        self.order = layouts.Order(
            [
                None if piece == SAMPLE else piece.length
                for piece in self.layout
            ],
            [isinstance(piece, MaskToken) for piece in self.layout],
            padding_token,
        )
        self.prompts = [
            piece for piece in self.layout if isinstance(piece, SoftPrompt)
        ]
        self.longest: int | None = None

    @property
    def added_length(self) -> int:
        """Steps of a sequence that are not the sample's."""
        return sum(length or 0 for length in self.order.lengths)

    def complete(self, specification: SourceSpecification) -> None:
        if specification.embeddings is None:
            raise ValueError(
                "A `TokenReprogrammer` needs a source that takes embeddings: "
                "wrap a KerasHub backbone as "
                "`keras_reprogram.sources.TextSource(backbone)`. Received: a "
                f"source that takes {specification.accepted_shape}"
            )
        self.longest = specification.longest
        self.check_length(self.target_length)
        if not self.built:
            for piece in (self.tokens, *self.prompts):
                piece.build_on(specification.embeddings)
        # The source's own variable: neither tracked nor saved here.
        self.source_embeddings = lambda: specification.embeddings
        self.check_fixed_tokens(int(specification.embeddings.shape[0]))
        self.built = True

    def check_length(self, length: int | None) -> None:
        steps = (length or 1) + self.added_length
        if self.longest is not None and steps > self.longest:
            raise ValueError(
                f"The source has positions for {self.longest} steps: shorten "
                "the samples or the prompts. Received: samples of "
                f"{length or 'any number of'} steps and "
                f"{self.added_length} steps around them"
            )

    def check_fixed_tokens(self, source_size: int) -> None:
        for piece in self.layout:
            if isinstance(piece, FixedTokens) and (
                max(piece.tokens) >= source_size
            ):
                raise ValueError(
                    f"Fixed tokens must be below {source_size}, the size of "
                    f"the source's vocabulary. Received: {piece.tokens}"
                )

    def check_values(self, samples: np.ndarray) -> None:
        if samples.dtype.kind not in "iu" or samples.ndim != 2:
            raise ValueError(
                "Samples must be rows of integers, the numbers of tokens. "
                f"Received: samples of dtype {samples.dtype}, shape "
                f"{samples.shape}"
            )
        self.check_length(samples.shape[1])
        size = self.tokens.vocabulary_size
        if size is None:
            size = self.tokens.source_size
        if samples.size and not 0 <= samples.min() <= samples.max() < size:
            raise ValueError(
                f"Tokens must be from 0 to {size - 1}. Received: tokens from "
                f"{samples.min()} to {samples.max()}"
            )

    def get_build_config(self) -> None:
        # The layer is built by the model, with its source.
        return None

    def call(self, inputs: Any, training: bool = False) -> dict[str, Any]:
        inputs = ops.cast(inputs, "int32")
        self.check_length(inputs.shape[1])
        embeddings = self.tokens(inputs, training=training)
        mask = self.order.sample_mask(inputs)
        if not self.added_length:
            return {"embeddings": embeddings, "padding_mask": mask}
        pieces = [
            embeddings if piece == SAMPLE else self.fixed(piece, inputs)
            for piece in self.layout
        ]
        embeddings, mask = self.order.arrange(pieces, mask)
        return {"embeddings": embeddings, "padding_mask": mask}

    def fixed(self, piece: SoftPrompt | FixedTokens, inputs: Any) -> Any:
        """A piece of every sequence, `(batch, steps, width)`."""
        if isinstance(piece, SoftPrompt):
            rows = piece.embeddings
        else:
            rows = ops.take(
                self.source_embeddings(), np.asarray(piece.tokens), axis=0
            )
        rows = ops.cast(rows, self.compute_dtype)[None]
        return ops.repeat(rows, ops.shape(inputs)[0], axis=0)

    def align(self, outputs: Any, samples: Any) -> Any:
        """Outputs at the mask token, or at the steps of the sample."""
        if not self.added_length or len(outputs.shape) != 3:
            return outputs
        return layouts.Alignment(self.order)(outputs, samples)

    def training_callbacks(self) -> list[keras.callbacks.Callback]:
        return self.tokens.training_callbacks()

    def compute_output_spec(
        self, inputs: Any, training: bool = False
    ) -> dict[str, keras.KerasTensor]:
        batch, length = inputs.shape
        self.check_length(length)
        steps = None if length is None else length + self.added_length
        return {
            "embeddings": keras.KerasTensor(
                (batch, steps, self.tokens.width), self.compute_dtype
            ),
            "padding_mask": keras.KerasTensor((batch, steps), "int32"),
        }

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "tokens": serialize(self.tokens),
            "target_length": self.target_length,
            "layout": [
                piece if piece == SAMPLE else serialize(piece)
                for piece in self.layout
            ],
            "padding_token": self.padding_token,
        }
