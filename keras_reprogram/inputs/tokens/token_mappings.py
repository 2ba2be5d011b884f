"""What a token of the target becomes in the space of the source's tokens.

A token mapping makes one table `[target vocabulary, width]` of the source's
own embeddings `V_S`, `[source vocabulary, width]`; the tokens of a sample are
looked up in it.
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
from keras_reprogram.typing import Tensor


class TokenMapping(ProgramPart, keras.layers.Layer):
    """Base class: from tokens `(batch, length)` to the source's embeddings.

    Attributes:
        reads_neighbors: Whether a token's embedding depends on the tokens
            around it. `call` then takes `lengths`, the number of tokens in
            each row, `(batch, 1)`; what follows them is padding.

    Args:
        vocabulary_size: Integer. Number of target tokens; `None` for a mapping
            that takes the source's own.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    reads_neighbors = False

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
            ValueError: If the source has not the mapping's tokens.
        """
        raise NotImplementedError

    def check_variables(self) -> None:
        """Raises a `ValueError` for values that no mapping could have."""

    def build_on(self, source_embeddings: SourceEmbeddings) -> None:
        """Creates the mapping's variables.

        Args:
            source_embeddings: `SourceEmbeddings` of the source.
        """
        self.source_embeddings = source_embeddings
        self.add_variables()
        self.built = True

    def add_variables(self) -> None:
        """Creates the variables, from `source_embeddings`."""
        raise NotImplementedError

    @property
    def num_tokens(self) -> int:
        """Number of tokens that the mapping takes."""
        return self.vocabulary_size or self.source_embeddings.size

    @property
    def width(self) -> int:
        """Length of an embedding."""
        return self.source_embeddings.width

    def source_rows(
        self, tokens: Tensor | None = None, dtype: str | None = None
    ) -> Tensor:
        """Returns the source's embeddings, all or of some tokens."""
        return self.source_embeddings.rows(tokens, dtype or self.compute_dtype)

    def table(self, training: bool = False) -> Tensor:
        """The embeddings of the target's tokens, `[T, width]`."""
        raise NotImplementedError

    def call(self, tokens: Tensor, training: bool = False) -> Tensor:
        """Returns embeddings `(batch, length, width)`."""
        return ops.take(self.table(training), tokens, axis=0)

    def training_callbacks(self) -> list[keras.callbacks.Callback]:
        """What the mapping has `fit` do besides gradient steps."""
        return []

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
        }


@serializable
class SourceTokens(TokenMapping):
    """The source's own tokens, as they are: text in the source's language.

    Nothing is trained here: what is learned is a soft prompt around the
    sample, or the label map.

    Args:
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

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
    """A trained embedding for every target token, bound to no source token.

    The most that a table can say, and the most to learn: `T * width` numbers.

    Args:
        vocabulary_size: Integer. Number of target tokens, `T`.
        seed: Integer. Seed of the source tokens whose embeddings are the start.
            Defaults to `0`.
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
        candidates: Integer or list. Source tokens that may be used, as a list;
            or how many are drawn, all of them if there are no more. Defaults to
            `1000`.
        seed: Integer. Seed of the draw, and of the start. Defaults to `0`.
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
    """Returns a number of candidates, or the list of them."""
    if isinstance(candidates, (list, tuple, np.ndarray)):
        return token_list("candidates", candidates)
    return positive_integer("candidates", candidates)


def num_candidates(
    candidates: int | list[int], source_embeddings: SourceEmbeddings
) -> int:
    """Returns how many source tokens may be used.

    Args:
        candidates: List of tokens, or how many are drawn.
        source_embeddings: `SourceEmbeddings` of the source.

    Raises:
        ValueError: If the source has not all of them.
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
    """Different numbers below `size`, or repeated ones where too few."""
    generator = np.random.default_rng(seed)
    drawn: np.ndarray = generator.choice(size, count, replace=count > size)
    return drawn.astype("int32")


def get(identifier: dict[str, Any] | TokenMapping) -> TokenMapping:
    """Returns a token mapping from its config or itself."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, TokenMapping):
        return identifier
    raise ValueError(
        "`mapping` must be a `keras_reprogram.inputs.TokenMapping`, such as "
        "`SourceTokens()` or `SparseCombination(100)`. Received: "
        f"mapping={identifier!r}"
    )
