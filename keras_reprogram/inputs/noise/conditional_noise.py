"""The input transformation that gives a generator's noise a class."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import non_negative_integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.dtypes import is_number
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.inputs.noise.conditional_normalization import (
    ConditionalNormalization,
)
from keras_reprogram.inputs.noise.invertible_block import InvertibleBlock
from keras_reprogram.inputs.valid import finite_rows
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

LABELS, NOISE = "labels", "noise"
# Of samples, whose first number is a class: all are exact in float32.
MOST_CLASSES = 2**24
MOST_BLOCKS = 100


@serializable
class ConditionalNoise(InputTransformation):
    """Maps noise and a class to the noise of an unconditional generator.

    With `u` standard normal noise, `y` a class and `e_y` its embedding,

    ```
    h_0 = [u, e_y],    h_{k + 1} = h_k + r_k(h_k)
    z = gamma_y * normalized(h_K) + beta_y
    ```

    where `r_k` are two dense layers that change distances by a factor below
    1. No two `h_0` are mapped to one `h_K`, so the classes stay apart and the
    diversity of the noise is kept.

    Example:

    ```python
    noise = keras.Input((16,))
    images = keras.layers.Reshape((4, 4, 1))(keras.layers.Dense(16)(noise))
    generator = keras.Model(noise, images)  # stands for a trained one

    model = keras_reprogram.ReprogrammedModel(
        generator,
        keras_reprogram.inputs.ConditionalNoise(num_classes=3),
        keras_reprogram.outputs.SourceNumbers(),
    )
    samples = {"labels": np.array([0, 2]), "noise": np.random.randn(2, 12)}
    model.predict(samples, verbose=0).shape  # (2, 4, 4, 1)
    ```

    Args:
        num_classes: Integer. Number of classes.
        embedding_dim: Integer, less than the size of the source's noise. Size
            of the embedding of a class, by which `u` is smaller than the
            source's noise. Defaults to `None`, a quarter of it.
        num_blocks: Integer. `K`, the number of residual blocks. Defaults to
            `3`.
        seed: Integer. Seed of the embeddings and of the blocks. Defaults to
            `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, 1 + noise_dim)`, the class and the noise `u`; or
            a dictionary of `"labels"`, `(batch,)`, and `"noise"`,
            `(batch, noise_dim)`.
        training: Boolean. Whether to normalize by the batch's statistics
            instead of their moving averages. Defaults to `False`.

    Returns:
        A tensor `(batch, source_dim)`.

    Raises:
        ValueError: If the source takes no vectors, or shorter ones than an
            embedding.

    References:
        - [InRep+](https://arxiv.org/abs/2201.02692)
    """

    sample_dtype = "float32"

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int | None = None,
        num_blocks: int = 3,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # A class as bfloat16 would be another one.
        super().__init__(**{"autocast": False, **kwargs})
        self.num_classes = positive_integer("num_classes", num_classes)
        if self.num_classes > MOST_CLASSES:
            raise ValueError(
                f"`num_classes` must be at most {MOST_CLASSES}. Received: "
                f"num_classes={num_classes}"
            )
        if embedding_dim is not None:
            embedding_dim = positive_integer("embedding_dim", embedding_dim)
        self.embedding_dim = embedding_dim
        self.num_blocks = non_negative_integer("num_blocks", num_blocks)
        if self.num_blocks > MOST_BLOCKS:
            raise ValueError(
                f"`num_blocks` must be at most {MOST_BLOCKS}. Received: "
                f"num_blocks={num_blocks}"
            )
        self.seed = check_seed(seed)
        self.source_dim = 0
        self.blocks = [
            InvertibleBlock(self.seed + 1 + block, dtype=self.dtype_policy)
            for block in range(self.num_blocks)
        ]
        self.normalization = ConditionalNormalization(
            self.num_classes, dtype=self.dtype_policy
        )

    # === The source ===

    def resolve(
        self,
        specification: SourceSpecification,
        source: Callable[[Tensor], Tensor],
    ) -> None:
        source_dim = self._checked_dim(specification)
        if self.built and source_dim != self.source_dim:
            raise ValueError(
                "The layer was built for another source: make a new one. "
                f"Received: noise of size {source_dim}, not {self.source_dim}"
            )
        self.source_dim = source_dim
        if not self.built:
            self.build((None, *self.sample_shape))

    def _checked_dim(self, specification: SourceSpecification) -> int:
        """Returns the size of the source's noise."""
        shape = specification.accepted_shape
        (size,) = shape if len(shape) == 1 else (None,)
        if size is None or size <= self._class_dim(size):
            raise ValueError(
                "The source must be a generator whose noise is a vector, of "
                "more numbers than the embedding of a class; put a "
                "`keras.layers.Reshape` before one of noise of another shape. "
                "Received: "
                f"samples of shape {shape} for the source and embedding_dim="
                f"{self.embedding_dim}"
            )
        return size

    def _class_dim(self, source_dim: int) -> int:
        """Size of the embedding of a class."""
        return self.embedding_dim or max(1, source_dim // 4)

    @property
    def noise_dim(self) -> int:
        """Size of the noise `u`."""
        return self.source_dim - self._class_dim(self.source_dim)

    # === Samples ===

    @property
    def sample_shape(self) -> Shape:
        return (1 + self.noise_dim,)

    def merge(self, samples: dict[str, Tensor]) -> Tensor:
        if set(samples) != {LABELS, NOISE}:
            raise ValueError(
                f'A dictionary of samples must hold `"{LABELS}"` and '
                f'`"{NOISE}"`. Received: a dictionary of '
                f"{sorted(map(str, samples))}"
            )
        labels, noise = (
            part if is_tensor(part) else np.asarray(part)
            for part in (samples[LABELS], samples[NOISE])
        )
        shapes = tuple(labels.shape), tuple(noise.shape)
        if (
            shapes[0] not in (shapes[1][:1], (*shapes[1][:1], 1))
            or shapes[1][1:] != (self.noise_dim,)
            or not (is_number(labels) and is_number(noise))
        ):
            raise ValueError(
                "Labels must be integers of shape (batch,) and noise numbers "
                f"of shape (batch, {self.noise_dim}). Received: shapes "
                f"{shapes[0]} and {shapes[1]}, of dtypes {labels.dtype} and "
                f"{noise.dtype}"
            )
        if all(isinstance(part, np.ndarray) for part in (labels, noise)):
            self.check_labels(labels)
            columns = labels.reshape(-1, 1), noise
            return np.concatenate(
                [part.astype("float32") for part in columns], axis=-1
            )
        columns = ops.reshape(labels, (-1, 1)), noise
        return ops.concatenate(
            [ops.cast(part, "float32") for part in columns], axis=-1
        )

    def check_values(self, samples: np.ndarray) -> None:
        self.check_labels(samples[:, 0])

    def check_labels(self, labels: np.ndarray) -> None:
        """Raises a `ValueError` for labels that are no classes."""
        labels = labels.astype("float64")
        if not (
            (labels >= 0)
            & (labels < self.num_classes)
            & (labels == np.floor(labels))
        ).all():
            raise ValueError(
                f"Labels must be {self.valid_labels}. Received: labels from "
                f"{labels.min()} to {labels.max()}"
            )

    def valid(self, samples: Tensor) -> Tensor | None:
        labels = samples[:, 0]
        of_classes = ops.logical_and(labels >= 0, labels < self.num_classes)
        return ops.logical_and(
            finite_rows(samples),
            ops.logical_and(of_classes, ops.equal(labels, ops.floor(labels))),
        )

    @property
    def valid_labels(self) -> str:
        return f"integers from 0 to {self.num_classes - 1}"

    @property
    def valid_values(self) -> str:
        return f"finite noise, and labels that are {self.valid_labels}"

    # === The layer ===

    def build(self, input_shape: Shape) -> None:
        if not self.source_dim:
            raise ValueError(
                "The size of the noise is that of a source: use the layer in a "
                "`ReprogrammedModel`. Received: a call without a source"
            )
        vectors = (None, self.source_dim)
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.num_classes, self._class_dim(self.source_dim)),
            initializer=keras.initializers.RandomNormal(
                stddev=1.0, seed=self.seed
            ),
        )
        for block in self.blocks:
            block.build(vectors)
        self.normalization.build(vectors)
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        classes = ops.cast(inputs[:, 0], "int32")
        # PyTorch and TensorFlow refuse other numbers, where `valid` marks them.
        classes = ops.clip(classes, 0, self.num_classes - 1)
        embedded = ops.take(
            ops.convert_to_tensor(self.embeddings), classes, axis=0
        )
        states = ops.concatenate(
            [
                ops.cast(inputs[:, 1:], self.compute_dtype),
                ops.cast(embedded, self.compute_dtype),
            ],
            axis=-1,
        )
        for block in self.blocks:
            states = block(states)
        return self.normalization(states, classes, training=training)

    # === Program files ===

    def expected_variables(
        self, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        size = self._checked_dim(specification)
        shapes = [
            (self.num_classes, self._class_dim(size)),
            *self.num_blocks * InvertibleBlock.variable_shapes(size),
            *self.normalization.variable_shapes(size),
        ]
        for shape in shapes:
            check_size(shape, LARGEST_SAMPLE)
        return [ExpectedVariable(shape) for shape in shapes]

    def get_build_config(self) -> dict[str, Any] | None:
        return None  # The model builds it, with the source.

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "embedding_dim": self.embedding_dim,
            "num_blocks": self.num_blocks,
            "seed": self.seed,
        }


def is_tensor(value: object) -> bool:
    """Whether this is a tensor of the backend, or a symbolic one."""
    return ops.is_tensor(value) or isinstance(value, keras.KerasTensor)
