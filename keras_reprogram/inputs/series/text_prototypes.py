"""Cross-attention from a series' patches to prototypes of a source's words."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import constant
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.tokens import token_mappings
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.program_parts import INTEGER
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.program_parts import check_new
from keras_reprogram.typing import Tensor

ROWS_AT_ONCE = 4096


@serializable
class TextPrototypes(ProgramPart, keras.layers.Layer):
    """Represents patches of a series by prototypes of the source's words.

    ```
    prototypes = W E + b,    K = prototypes W_K,    V = prototypes W_V
    embedding  = (softmax(patch W_Q K^T / sqrt(d)) V) W_O
    ```

    in several heads of width `d`. `E` are the embeddings of the source's
    tokens, `[vocabulary, width]`. They and the result are in units of their
    root mean square, which affects the initialization only. `W E W_K` is
    computed from the right if that is cheaper.

    Keys and values are the same for all samples: at inference, between `fold`
    and `unfold`, they are cached by `fold`. `predict` and `evaluate` of a
    `keras_reprogram.ReprogrammedModel` call `fold`; call it before
    `model.export` so that the exported model does not compute them.

    Args:
        prototypes: Integer. Number of prototypes. Defaults to `1000`.
        heads: Integer. Number of heads. Defaults to `8`.
        head_width: Integer. Width of the keys and values of a head, `d`. The
            paper's code uses 128. Defaults to the patches' width divided by the
            number of heads, as in the paper.
        candidates: Integer or list. Source tokens that the prototypes combine,
            as a list, or their number if they are drawn. `W` has
            `prototypes * candidates` values. Defaults to all tokens, as in the
            paper.
        dropout: Float in `[0, 1)`. Fraction of the attention weights to drop in
            training. Defaults to `0.1`.
        seed: Integer. Seed of the candidates, the initialization and the
            dropout. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        patches: Tensor `(batch, patches, patch width)`.
        training: Boolean. Whether to apply the dropout; keys and values are
            then computed without the cache. Defaults to `None`.

    Returns:
        A tensor `(batch, patches, width)`.

    References:
        - [Time-LLM](https://arxiv.org/abs/2310.01728)
    """

    def __init__(
        self,
        prototypes: int = 1000,
        heads: int = 8,
        head_width: int | None = None,
        candidates: object = None,
        dropout: float = 0.1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prototypes = positive_integer("prototypes", prototypes)
        self.heads = positive_integer("heads", heads)
        if head_width is not None:
            head_width = positive_integer("head_width", head_width)
        self.head_width = head_width
        if candidates is not None:
            candidates = token_mappings.check_candidates(candidates)
        self.candidates = candidates
        self.dropout = number("dropout", dropout, 0.0, 1.0 - 1e-6)
        self.seed = check_seed(seed)
        self.drop = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy
        )

    def expected_variables(
        self, source_embeddings: SourceEmbeddings, patch_width: int
    ) -> list[ExpectedVariable]:
        """Returns the variables that `build_on` will create.

        Args:
            source_embeddings: `SourceEmbeddings` of the source.
            patch_width: Integer. Last size of the patches.
        """
        width, words = source_embeddings.width, source_embeddings.size
        if self.candidates is not None:
            words = token_mappings.num_candidates(
                self.candidates, source_embeddings
            )
        size = self.head_width or max(1, patch_width // self.heads)
        inner = self.heads * size
        shapes: list[tuple[int, ...]] = [
            (self.prototypes, words),
            (self.prototypes, 1),
            (patch_width, inner),
            (width, inner),
            (width, inner),
            (inner, width),
            (inner,),
            (width,),
            (),
            (self.prototypes, 2 * inner),
        ]
        return [
            *(ExpectedVariable(shape) for shape in shapes),
            ExpectedVariable((), INTEGER),
        ]

    def build_on(
        self, source_embeddings: SourceEmbeddings, patch_width: int
    ) -> None:
        """Creates the variables.

        Args:
            source_embeddings: `SourceEmbeddings` of the source.
            patch_width: Integer. Last size of the patches.
        """
        check_new(self)
        self.source_embeddings = source_embeddings
        width, source_size = source_embeddings.width, source_embeddings.size
        self.chosen = None
        if self.candidates is not None:
            self.chosen = token_mappings.choose_candidates(
                self.candidates, source_embeddings, self.seed
            )
            source_size = len(self.chosen)
        self.size = self.head_width or max(1, patch_width // self.heads)
        inner = self.heads * self.size
        self.from_the_right = source_size * 2 * inner * (
            width + self.prototypes
        ) < self.prototypes * width * (source_size + 2 * inner)

        self.combination = self.add_weight(
            name="combination",
            shape=(self.prototypes, source_size),
            initializer=keras.initializers.RandomUniform(
                minval=-(source_size**-0.5),
                maxval=source_size**-0.5,
                seed=self.seed,
            ),
        )
        self.shift = self.add_weight(
            name="shift", shape=(self.prototypes, 1), initializer="zeros"
        )
        shapes = {
            "query": (patch_width, inner),
            "key": (width, inner),
            "value": (width, inner),
            "result": (inner, width),
        }
        self.query, self.key, self.value, self.result = (
            self.add_weight(
                name=name,
                shape=shape,
                initializer=keras.initializers.GlorotUniform(
                    seed=self.seed + index
                ),
            )
            for index, (name, shape) in enumerate(shapes.items(), 1)
        )
        self.query_bias = self.add_weight(
            name="query_bias", shape=(inner,), initializer="zeros"
        )
        self.result_bias = self.add_weight(
            name="result_bias", shape=(width,), initializer="zeros"
        )

        # Stored with the weights, because a file is read before the source's.
        self.unit = self.add_weight(
            name="unit",
            shape=(),
            initializer=constant(root_mean_square(source_embeddings)),
            trainable=False,
            # It may be too small for the range of float16.
            autocast=False,
        )
        self.folded = self.add_weight(
            name="folded",
            shape=(self.prototypes, 2 * inner),
            initializer="zeros",
            trainable=False,
        )
        self.is_folded = self.add_weight(
            name="is_folded",
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
        )
        self.built = True

    def keys_and_values(self) -> Tensor:
        """Returns keys and values, `[prototypes, 2 * heads * d]`."""
        embeddings = self.source_embeddings.rows(self.chosen, "float32")
        embeddings = embeddings / self.unit
        embeddings = ops.cast(embeddings, self.compute_dtype)
        maps = ops.concatenate([self.key, self.value], axis=1)
        if self.from_the_right:
            words = ops.matmul(embeddings, maps)
            shift = ops.multiply(self.shift, ops.sum(maps, axis=0))
            return ops.add(ops.matmul(self.combination, words), shift)
        prototypes = ops.matmul(self.combination, embeddings)
        return ops.matmul(ops.add(prototypes, self.shift), maps)

    def fold(self) -> None:
        """Caches keys and values for inference until `unfold`."""
        self.folded.assign(self.keys_and_values())
        self.is_folded.assign(1)

    def unfold(self) -> None:
        """Ends the caching of keys and values."""
        self.is_folded.assign(0)

    def call(self, patches: Tensor, training: bool = False) -> Tensor:
        if training:
            self.unfold()
            projected = self.keys_and_values()
        else:
            projected = ops.cond(
                ops.greater(self.is_folded, 0),
                lambda: ops.cast(self.folded, self.compute_dtype),
                lambda: ops.cast(self.keys_and_values(), self.compute_dtype),
            )
        projected = ops.reshape(
            projected, (self.prototypes, 2, self.heads, self.size)
        )
        length = patches.shape[1]
        query = ops.add(ops.matmul(patches, self.query), self.query_bias)
        query = ops.reshape(query, (-1, length, self.heads, self.size))
        scores = ops.einsum("nlhd,phd->nhlp", query, projected[:, 0])
        attention = ops.softmax(scores * self.size**-0.5, axis=-1)
        attention = self.drop(attention, training=training)
        mixed = ops.einsum("nhlp,phd->nlhd", attention, projected[:, 1])
        mixed = ops.reshape(mixed, (-1, length, self.heads * self.size))
        result = ops.add(ops.matmul(mixed, self.result), self.result_bias)
        result = ops.multiply(ops.cast(result, "float32"), self.unit)
        return ops.cast(result, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "prototypes": self.prototypes,
            "heads": self.heads,
            "head_width": self.head_width,
            "candidates": self.candidates,
            "dropout": self.dropout,
            "seed": self.seed,
        }


def root_mean_square(source_embeddings: SourceEmbeddings) -> float:
    """Returns the root mean square of a table, or 1 if all values are zero.

    Args:
        source_embeddings: `SourceEmbeddings` of the source.
    """
    total, size = 0.0, source_embeddings.size
    for start in range(0, size, ROWS_AT_ONCE):
        indices = np.arange(start, min(start + ROWS_AT_ONCE, size))
        part = source_embeddings.array(indices)
        total += np.square(part, dtype="float64").mean() * len(indices)
    return float(np.sqrt(total / size)) or 1.0


def get(identifier: int | dict[str, Any] | TextPrototypes) -> TextPrototypes:
    """Returns prototypes from their number, a config or a `TextPrototypes`."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, TextPrototypes):
        return identifier
    return TextPrototypes(positive_integer("prototypes", identifier))
