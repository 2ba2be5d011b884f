"""Lookup of the embeddings of a source's tokens."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import integer
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Tensor


class SourceEmbeddings:
    """Looks up the embeddings of a source's tokens, `[vocabulary, width]`.

    If a layer has this object as an attribute, the source's variable is neither
    tracked nor saved with the layer.

    Args:
        table: Variable or tensor `[vocabulary, width]`.

    Attributes:
        has_gradient: Boolean. Whether sequences may be trained through the
            source.
        unknown: Value of all rows of a token that does not exist.
    """

    has_gradient: bool = True
    unknown: float = float("nan")

    def __init__(self, table: keras.Variable | Tensor) -> None:
        self.size, self.width = map(int, table.shape)
        self.table = Table(table)

    @classmethod
    def of(
        cls, specification: SourceSpecification, layer: str, advice: str
    ) -> "SourceEmbeddings":
        """Returns the embeddings of a source that takes embeddings.

        Args:
            specification: A `SourceSpecification`.
            layer: String. Name of the class that needs them.
            advice: String. Code that makes such a source.

        Raises:
            ValueError: If the source takes no embeddings.
        """
        if specification.embeddings is None:
            raise ValueError(
                f"A `{layer}` needs a source that takes embeddings: wrap a "
                f"KerasHub backbone as `keras_reprogram.sources.{advice}`. "
                "Received: a source that takes "
                f"{specification.accepted_shape}"
            )
        return cls(specification.embeddings)

    def is_same(self, other: "SourceEmbeddings") -> bool:
        """Whether other embeddings are compatible with these."""
        tables = self.table.table(), other.table.table()
        if all(isinstance(table, keras.Variable) for table in tables):
            return tables[0] is tables[1]
        return (self.size, self.width) == (other.size, other.width)

    def rows(
        self, tokens: Tensor | None = None, dtype: str | None = None
    ) -> Tensor:
        """Returns the embeddings of some tokens, or of all.

        Args:
            tokens: Integers of any shape. Defaults to all tokens.
            dtype: String. Defaults to the table's own dtype.
        """
        if tokens is not None:
            tokens = ops.convert_to_tensor(tokens, "int32")
        rows = self.table(tokens)
        return rows if dtype is None else ops.cast(rows, dtype)

    def source_inputs(
        self, sequences: dict[str, Tensor]
    ) -> Tensor | dict[str, Tensor]:
        """Returns the source's inputs for sequences.

        Args:
            sequences: Dictionary of `"embeddings"`, `(batch, steps, width)`,
                and their `"padding_mask"`, `(batch, steps)`.
        """
        return sequences

    def source_inputs_spec(
        self, sequences: dict[str, keras.KerasTensor]
    ) -> keras.KerasTensor | dict[str, keras.KerasTensor]:
        """As `source_inputs`, for symbolic tensors."""
        return sequences

    def array(self, tokens: np.ndarray | Sequence[int]) -> np.ndarray:
        """Returns the embeddings of some tokens as a float32 array."""
        rows: np.ndarray = ops.convert_to_numpy(self.rows(tokens, "float32"))
        return rows

    def check_tokens(
        self, name: str, tokens: Sequence[int] | np.ndarray
    ) -> None:
        """Raises a `ValueError` for tokens that the source does not have.

        Args:
            name: String. Description of the tokens for the error message.
            tokens: Integers of at least 0.
        """
        if len(tokens) and max(tokens) >= self.size:
            raise ValueError(
                f"{name} must be below {self.size}, the size of the source's "
                f"vocabulary. Received: {max(tokens)}"
            )


def token_list(name: str, tokens: object) -> list[int]:
    """Checks a user's source tokens, and returns them as a list.

    Args:
        name: String. The argument's name.
        tokens: List, tuple or array of integers, or one integer.
    """
    if not isinstance(tokens, (list, tuple, np.ndarray)):
        tokens = [tokens]
    numbers = [integer(token) for token in tokens]
    integers = [number for number in numbers if number is not None]
    if not integers or len(integers) < len(numbers) or min(integers) < 0:
        raise ValueError(
            f"`{name}` must be a list of the source's tokens. Received: "
            f"{name}={tokens!r}"
        )
    return integers


class Table(keras.layers.Layer):
    """Returns rows of a table in its own dtype; all rows for `None`.

    A layer that reads a variable would cast the whole table to its compute
    dtype.

    Args:
        table: Variable or tensor `[rows, width]`. It is not tracked.
    """

    def __init__(self, table: keras.Variable | Tensor) -> None:
        super().__init__(dtype="float32", autocast=False)
        self.table: Callable[[], Any] = lambda: table

    def call(self, indices: Tensor | None) -> Tensor:
        if indices is None:
            return ops.convert_to_tensor(self.table())
        return ops.take(self.table(), indices, axis=0)
