"""The token mapping of sparse combinations of source tokens (R2DL).

References:
    - Vinod, Chen and Das 2020, [Reprogramming Language Models for Molecular
      Representation Learning](https://arxiv.org/abs/2012.03460)
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import constant
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.inputs.tokens.token_mappings import TokenMapping
from keras_reprogram.inputs.tokens.token_mappings import draw
from keras_reprogram.optional_packages import optional_package
from keras_reprogram.program_parts import INTEGER
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.typing import Tensor


@serializable
class SparseCombination(TokenMapping):
    """Target embeddings that combine a few source embeddings each.

    ```
    V_T = Theta V_S + R,     at most `nonzeros` non-zeros in a row of Theta
    ```

    `Theta` is stored as the source tokens of each row and their weights,
    without a table `[target, source]`. The task's loss trains the weights and
    the remainder `R`; after every `refit_every` epochs the sparse code of the
    trained embeddings is solved again by orthogonal matching pursuit,

    ```
    Theta <- argmin ||V_T - Theta V_S||_F,    R <- 0
    ```

    which is k-SVD with the dictionary `V_S` fixed. Validation and saving follow
    it. With `refit_every=None` there is no remainder, and the source tokens of
    a row are those that were drawn.

    Example:

    ```python
    mapping = keras_reprogram.inputs.SparseCombination(
        vocabulary_size=60, nonzeros=8
    )
    reprogrammer = keras_reprogram.inputs.TokenReprogrammer(mapping)
    ```

    Args:
        vocabulary_size: Integer. Number of target tokens, `T`.
        nonzeros: Integer. Largest number of source tokens of a target token.
            Defaults to `8`.
        refit_every: Integer. Number of epochs between two sparse codes, or
            `None` for never. Requires scikit-learn. Defaults to `1`.
        seed: Integer. Seed of the initial source tokens: one for each target
            token, and others with a weight of zero. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    References:
        - [R2DL](https://arxiv.org/abs/2012.03460)
        - k-SVD: Aharon, Elad and Bruckstein 2006
    """

    def __init__(
        self,
        vocabulary_size: int,
        nonzeros: int = 8,
        refit_every: int | None = 1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocabulary_size, **kwargs)
        self.nonzeros = positive_integer("nonzeros", nonzeros)
        if refit_every is not None:
            refit_every = positive_integer("refit_every", refit_every)
        self.refit_every = refit_every
        self.seed = check_seed(seed)

    def expected_variables(
        self, source_embeddings: SourceEmbeddings
    ) -> list[ExpectedVariable]:
        shape = (self.vocabulary_size, self.nonzeros)
        variables = [ExpectedVariable(shape), ExpectedVariable(shape, INTEGER)]
        if self.refit_every is not None:
            shape = (self.vocabulary_size, source_embeddings.width)
            variables.append(ExpectedVariable(shape))
        return variables

    def check_variables(self) -> None:
        chosen = ops.convert_to_numpy(self.chosen.value)
        size = self.source_embeddings.size
        if chosen.min() < 0 or chosen.max() >= size:
            raise ValueError(
                f"Source tokens must lie between 0 and {size - 1}. Received: "
                f"tokens from {chosen.min()} to {chosen.max()}"
            )

    def add_variables(self) -> None:
        source = self.source_embeddings
        if self.nonzeros > min(source.size, source.width):
            raise ValueError(
                "`nonzeros` must be at most the source's vocabulary and "
                f"width. Received: nonzeros={self.nonzeros}, source embeddings "
                f"of shape {(source.size, source.width)}"
            )
        shape = (self.num_tokens, self.nonzeros)
        chosen = draw(source.size, math.prod(shape), self.seed)
        chosen = chosen.reshape(shape)
        weights = np.zeros(shape, "float32")
        weights[:, 0] = 1.0
        self.chosen = self.add_weight(
            name="chosen",
            shape=shape,
            dtype="int32",
            initializer=constant(chosen),
            trainable=False,
        )
        self.combination = self.add_weight(
            name="combination",
            shape=shape,
            initializer=constant(weights),
        )
        self.remainder = None
        if self.refit_every is not None:
            self.remainder = self.add_weight(
                name="remainder",
                shape=(self.num_tokens, self.width),
                initializer="zeros",
            )

    def table(self, training: bool = False, dtype: str | None = None) -> Tensor:
        dtype = dtype or self.compute_dtype
        weights = ops.cast(self.combination, dtype)
        table = 0.0
        for index in range(self.nonzeros):
            rows = self.source_rows(self.chosen[:, index], dtype)
            table = table + weights[:, index, None] * rows
        if self.remainder is not None:
            table = table + ops.cast(self.remainder, dtype)
        return table

    def refit(self) -> None:
        """Solves the sparse code of the current embeddings."""
        self.encode(ops.convert_to_numpy(self.table(dtype="float32")))

    def encode(self, embeddings: np.ndarray) -> None:
        """Sets the sparse code of target embeddings.

        Args:
            embeddings: Array `[T, width]`.
        """
        if embeddings.shape != (self.num_tokens, self.width):
            raise ValueError(
                "`embeddings` must be those of the target's tokens, of shape "
                f"{(self.num_tokens, self.width)}. Received: embeddings "
                f"of shape {embeddings.shape}"
            )
        dictionary = self.source_rows(dtype="float32")
        chosen, weights = sparse_code(
            embeddings, ops.convert_to_numpy(dictionary), self.nonzeros
        )
        self.chosen.assign(chosen)
        self.combination.assign(weights)
        if self.remainder is not None:
            self.remainder.assign(np.zeros(self.remainder.shape))

    def training_callbacks(self) -> list[keras.callbacks.Callback]:
        if self.refit_every is None:
            return []
        from keras_reprogram.callbacks.sparse_coding import SparseCoding

        return [SparseCoding(self.refit_every, self)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "nonzeros": self.nonzeros,
            "refit_every": self.refit_every,
            "seed": self.seed,
        }


def sparse_code(
    targets: np.ndarray, dictionary: np.ndarray, nonzeros: int
) -> tuple[np.ndarray, np.ndarray]:
    """Solves `targets ~ Theta dictionary` by orthogonal matching pursuit.

    Example:

    ```python
    dictionary = np.random.default_rng(0).normal(size=(50, 16))
    targets = dictionary[:3] + 2 * dictionary[3:6]
    chosen, weights = sparse_code(targets, dictionary, nonzeros=2)
    chosen[0]  # 0 and 3
    ```

    Args:
        targets: Array `[T, width]`.
        dictionary: Array `[S, width]`, with rows of any norm.
        nonzeros: Integer. Number of non-zeros in each row of `Theta`.

    Returns:
        The rows' source tokens and their weights, both `[T, nonzeros]`.

    Raises:
        ImportError: If scikit-learn is not installed.
    """
    models = optional_package("sklearn.linear_model", "tokens", "A sparse code")
    # Normalize both, because the pursuit stops at a fixed correlation.
    atoms, lengths = normalized(dictionary)
    targets, target_lengths = normalized(targets)
    codes = models.orthogonal_mp(atoms.T, targets.T, n_nonzero_coefs=nonzeros)
    codes = codes.reshape(len(dictionary), len(targets)).T
    chosen = np.argsort(-np.abs(codes), axis=1)[:, :nonzeros]
    weights = np.take_along_axis(codes, chosen, axis=1)
    weights *= target_lengths[:, None] / lengths[chosen]
    return chosen.astype("int32"), weights.astype("float32")


def normalized(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns normalized rows and their norms; 1 for rows of zeros."""
    rows = np.asarray(rows, "float64")
    lengths = np.linalg.norm(rows, axis=1)
    lengths = np.where(lengths > 0, lengths, 1.0)
    return rows / lengths[:, None], lengths
