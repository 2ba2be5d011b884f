"""Token mappings: from target tokens to the source's embedding space.

A token mapping computes a table `[target vocabulary, width]` from the source's
embeddings `V_S`, `[source vocabulary, width]`, and looks up the tokens of a
sample in it.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import constant
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.inputs.tokens.source_embeddings import token_list
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.program_parts import check_new
from keras_reprogram.typing import Tensor


class TokenMapping(ProgramPart, keras.layers.Layer):
    """Base class: maps tokens `(batch, length)` to embeddings.

    Attributes:
        reads_neighbors: Boolean. Whether a token's embedding depends on the
            tokens around it. `call` then takes `lengths`, the number of tokens
            in each row, `(batch, 1)`; padding follows them.
        returns_source_tokens: Boolean. Whether every embedding is that of one
            source token, so that the mapping suits a source that takes IDs.

    Args:
        vocabulary_size: Integer. Number of target tokens; `None` for a mapping
            of the source's own tokens.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    reads_neighbors = False
    returns_source_tokens = False

    def __init__(self, vocabulary_size: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if vocabulary_size is not None:
            vocabulary_size = positive_integer(
                "vocabulary_size", vocabulary_size
            )
        self.vocabulary_size = vocabulary_size

    def expected_variables(
        self, source_embeddings: SourceEmbeddings
    ) -> list[ExpectedVariable]:
        """Returns the variables that `build_on` will create.

        Args:
            source_embeddings: `SourceEmbeddings` of the source.

        Raises:
            ValueError: If the source does not have the mapping's tokens.
        """
        raise NotImplementedError

    def check_variables(self) -> None:
        """Raises a `ValueError` for invalid values of variables."""

    def build_on(self, source_embeddings: SourceEmbeddings) -> None:
        """Creates the mapping's variables.

        Args:
            source_embeddings: `SourceEmbeddings` of the source.
        """
        check_new(self)
        self.source_embeddings = source_embeddings
        self.add_variables()
        self.built = True

    def add_variables(self) -> None:
        """Creates the variables from `source_embeddings`."""
        raise NotImplementedError

    @property
    def num_tokens(self) -> int:
        """Size of the mapping's vocabulary."""
        return self.vocabulary_size or self.source_embeddings.size

    @property
    def width(self) -> int:
        """Width of an embedding."""
        return self.source_embeddings.width

    def source_rows(
        self, tokens: Tensor | None = None, dtype: str | None = None
    ) -> Tensor:
        """Returns the source's embeddings of some tokens, or of all."""
        return self.source_embeddings.rows(tokens, dtype or self.compute_dtype)

    def table(self, training: bool = False) -> Tensor:
        """Returns the embeddings of the target's tokens, `[T, width]`."""
        raise NotImplementedError

    def call(self, tokens: Tensor, training: bool = False) -> Tensor:
        """Returns embeddings `(batch, length, width)`."""
        return ops.take(self.table(training), tokens, axis=0)

    def training_callbacks(self) -> list[keras.callbacks.Callback]:
        """Returns callbacks that `fit` adds for this mapping."""
        return []

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
        }


@serializable
class SourceTokens(TokenMapping):
    """The source's own tokens, for text in the source's language.

    It has no trainable weights: train a soft prompt around the sample, or the
    label map.

    Args:
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    returns_source_tokens = True

    def __init__(self, vocabulary_size: None = None, **kwargs: Any) -> None:
        super().__init__(vocabulary_size, **kwargs)

    def expected_variables(
        self, source_embeddings: SourceEmbeddings
    ) -> list[ExpectedVariable]:
        return []

    def add_variables(self) -> None:
        self.vocabulary_size = None

    def call(self, tokens: Tensor, training: bool = False) -> Tensor:
        return self.source_rows(tokens)


@serializable
class FreeEmbeddings(TokenMapping):
    """A free trainable embedding for every target token.

    It is the most general table, with `T * width` trainable values.

    Args:
        vocabulary_size: Integer. Number of target tokens, `T`.
        seed: Integer. Seed of the source tokens whose embeddings are the
            initial values. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, vocabulary_size: int, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(vocabulary_size, **kwargs)
        self.seed = check_seed(seed)

    def expected_variables(
        self, source_embeddings: SourceEmbeddings
    ) -> list[ExpectedVariable]:
        shape = (self.vocabulary_size, source_embeddings.width)
        return [ExpectedVariable(shape)]

    def add_variables(self) -> None:
        start = draw(self.source_embeddings.size, self.num_tokens, self.seed)
        embeddings = ops.convert_to_numpy(self.source_rows(start))
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=embeddings.shape,
            initializer=constant(embeddings),
        )

    def table(self, training: bool = False) -> Tensor:
        return ops.cast(self.embeddings, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


class CandidateMapping(TokenMapping):
    """Base class: a dense table over a choice of source tokens.

    Args:
        vocabulary_size: Integer. Number of target tokens, `T`.
        candidates: Integer or list. Source tokens that may be used, as a list,
            or their number if they are drawn: at most all of them. Defaults to
            `1000`.
        seed: Integer. Seed of the draw and of the initialization. Defaults to
            `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        vocabulary_size: int,
        candidates: int | Sequence[int] = 1000,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocabulary_size, **kwargs)
        self.candidates = check_candidates(candidates)
        self.seed = check_seed(seed)

    def add_variables(self) -> None:
        self.chosen = choose_candidates(
            self.candidates, self.source_embeddings, self.seed
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "candidates": self.candidates,
            "seed": self.seed,
        }


def check_candidates(candidates: object) -> int | list[int]:
    """Returns a number or a list of candidates."""
    if isinstance(candidates, (list, tuple, np.ndarray)):
        return token_list("candidates", candidates)
    return positive_integer("candidates", candidates)


def num_candidates(
    candidates: int | list[int], source_embeddings: SourceEmbeddings
) -> int:
    """Returns the number of source tokens that may be used.

    Args:
        candidates: List of tokens, or how many are drawn.
        source_embeddings: `SourceEmbeddings` of the source.

    Raises:
        ValueError: If the source does not have all of them.
    """
    if isinstance(candidates, int):
        return min(candidates, source_embeddings.size)
    source_embeddings.check_tokens("`candidates`", candidates)
    return len(candidates)


def choose_candidates(
    candidates: int | list[int], source_embeddings: SourceEmbeddings, seed: int
) -> np.ndarray:
    """Returns the source tokens that may be used.

    Args:
        candidates: List of tokens, or how many are drawn.
        source_embeddings: `SourceEmbeddings` of the source.
        seed: Integer. Seed of the draw.
    """
    count = num_candidates(candidates, source_embeddings)
    if isinstance(candidates, int):
        return np.sort(draw(source_embeddings.size, count, seed))
    return np.asarray(candidates, "int32")


def draw(size: int, count: int, seed: int) -> np.ndarray:
    """Draws integers below `size`, repeated only if there are too few."""
    generator = np.random.default_rng(seed)
    drawn: np.ndarray = generator.choice(size, count, replace=count > size)
    return drawn.astype("int32")


def get(identifier: dict[str, Any] | TokenMapping) -> TokenMapping:
    """Returns a token mapping from a config or a mapping."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, TokenMapping):
        return identifier
    raise ValueError(
        "`mapping` must be a `keras_reprogram.inputs.TokenMapping`, such as "
        "`SourceTokens()` or `SparseCombination(100)`. Received: "
        f"mapping={identifier!r}"
    )
