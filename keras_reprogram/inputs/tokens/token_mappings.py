"""What a token of the target becomes in the space of the source's tokens.

A token mapping makes one table `[target vocabulary, width]` of the source's
own embeddings `V_S`, `[source vocabulary, width]`; the tokens of a sample are
looked up in it.
"""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import constant
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable


class Rows(keras.layers.Layer):
    """Rows of a table in the table's own dtype: some, or all for `None`.

    Any other layer that reads a variable casts it to its compute dtype: the
    whole table for a few rows.

    Args:
        table: A variable or a tensor `[rows, width]`. It is not tracked.
    """

    def __init__(self, table: Any) -> None:
        super().__init__(dtype="float32", autocast=False)
        self.table: Callable[[], Any] = lambda: table

    def call(self, indices: Any) -> Any:
        if indices is None:
            return ops.convert_to_tensor(self.table())
        return ops.take(self.table(), indices, axis=0)


def row_lookup(table: Any) -> Callable[[Any], Any]:
    """A function that looks up rows of a table, for a layer to keep.

    The table is neither tracked nor saved with that layer.
    """
    rows = Rows(table)

    def look_up(indices: Any = None) -> Any:
        if indices is not None:
            indices = ops.convert_to_tensor(indices, "int32")
        return rows(indices)

    return look_up


class TokenMapping(keras.layers.Layer):
    """Base class: from tokens `(batch, length)` to the source's embeddings.

    Attributes:
        reads_neighbors: Whether a token's embedding depends on the tokens
            around it. `call` then takes `lengths`, the number of tokens in
            each row, `(batch, 1)`; what follows them is padding.

    Args:
        vocabulary_size: Number of target tokens; `None` for a mapping that
            takes the source's own.
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

    def build_on(self, source_embeddings: keras.Variable) -> None:
        """Creates the mapping's variables.

        Args:
            source_embeddings: The embeddings of the source's tokens,
                `[source vocabulary, width]`.
        """
        # The source's own variable: neither tracked nor saved here.
        self.source_embeddings: Callable[[], keras.Variable] = lambda: (
            source_embeddings
        )
        self.source_size, self.width = map(int, source_embeddings.shape)
        self.rows = row_lookup(source_embeddings)
        self.add_variables()
        self.built = True

    def add_variables(self) -> None:
        raise NotImplementedError

    def source_rows(self, indices: Any = None, dtype: str | None = None) -> Any:
        """The source's embeddings, all or of some tokens."""
        return ops.cast(self.rows(indices), dtype or self.compute_dtype)

    def table(self, training: bool) -> Any:
        """The embeddings of the target's tokens, `[T, width]`."""
        raise NotImplementedError

    def call(self, tokens: Any, training: bool = False) -> Any:
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

    def add_variables(self) -> None:
        self.vocabulary_size = None

    def call(self, tokens: Any, training: bool = False) -> Any:
        return self.source_rows(tokens)


@serializable
class FreeEmbeddings(TokenMapping):
    """A trained embedding for every target token, bound to no source token.

    The most that a table can say, and the most to learn: `T * width` numbers.

    Args:
        vocabulary_size: Number of target tokens, `T`.
        seed: Seed of the source tokens whose embeddings are the start.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, vocabulary_size: int, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(vocabulary_size, **kwargs)
        self.seed = check_seed(seed)

    def add_variables(self) -> None:
        start = draw(self.source_size, self.vocabulary_size, self.seed)
        embeddings = ops.convert_to_numpy(self.source_rows(start))
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=embeddings.shape,
            initializer=constant(embeddings),
        )

    def table(self, training: bool) -> Any:
        return ops.cast(self.embeddings, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


class CandidateMapping(TokenMapping):
    """Base class: a dense table over a choice of source tokens.

    Args:
        vocabulary_size: Number of target tokens, `T`.
        candidates: Source tokens that may be used: a list of their numbers;
            or how many are drawn, all of them where there are no more.
        seed: Seed of the draw, and of the start.
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
            self.candidates, self.source_size, self.seed
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "candidates": self.candidates,
            "seed": self.seed,
        }


def check_candidates(candidates: Any) -> int | list[int]:
    if not isinstance(candidates, (list, tuple, np.ndarray)):
        return positive_integer("candidates", candidates)
    numbers = [integer(item) for item in candidates]
    if not numbers or None in numbers or min(numbers) < 0:
        raise ValueError(
            "`candidates` must be a number or a list of the source's tokens. "
            f"Received: candidates={candidates!r}"
        )
    return numbers


def choose_candidates(
    candidates: int | list[int], source_size: int, seed: int
) -> np.ndarray:
    """The numbers of the source tokens that may be used."""
    if isinstance(candidates, int):
        count = min(candidates, source_size)
        return np.sort(draw(source_size, count, seed))
    if max(candidates) >= source_size:
        raise ValueError(
            f"`candidates` must be below {source_size}, the size of the "
            f"source's vocabulary. Received: {max(candidates)}"
        )
    return np.asarray(candidates, "int32")


def draw(size: int, count: int, seed: int) -> np.ndarray:
    """Different numbers below `size`, or repeated ones where too few."""
    generator = np.random.default_rng(seed)
    drawn = generator.choice(size, count, replace=count > size)
    return drawn.astype("int32")


def get(identifier: int | dict | TokenMapping) -> TokenMapping:
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
