"""Attention over the stages of a source, in front of a classifier (ALF)."""

import itertools
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import constant
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import positive_integers
from keras_reprogram.configurable import serializable
from keras_reprogram.outputs import reading
from keras_reprogram.outputs import targets
from keras_reprogram.outputs.label_weights import Batch
from keras_reprogram.outputs.label_weights import Weighted
from keras_reprogram.outputs.label_weights import with_weights
from keras_reprogram.outputs.logistic_regression import logistic_regression
from keras_reprogram.outputs.mappings.linear import samples_of
from keras_reprogram.outputs.principal_components import principal_components
from keras_reprogram.outputs.reading import Reading
from keras_reprogram.outputs.reading_mapping import ReadingMapping
from keras_reprogram.probabilities import full_dtype
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import unit_vectors

EPSILON = 1e-5
ROWS_AT_ONCE = 1024
REGULARIZATION = 0.1  # of the logistic regression


@serializable
class AttentiveProbe(ReadingMapping):
    """Classifies by attention over the stages of a source (ALF).

    The source's output is the concatenation of `L` blocks `b_l`, such as the
    stages of `keras_reprogram.sources.stage_features`. Each is one token, and
    each head `h` takes a mean of the tokens with weights of its own:

    ```
    token_l = P_l^T (b_l / ||b_l|| - mean_l)
    z_l = layer_norm(token_l @ A_l)
    weights_h = softmax over l of (query_h . z_l + bias_hl)
    fused = sum_h (sum_l weights_hl z_l) @ V_h @ O_h
    outputs = standardized(fused) @ kernel + bias
    ```

    `P_l`, the first principal components of a block, and the means are found
    from the samples before training and stay; so do the mean and deviation of
    `fused` at the start. The other variables are trained: `A_l` from the
    identity, `kernel` and `bias` from a logistic regression on the first
    `fused`. In training, noise is added to half of the samples' tokens, and
    weights of attention are dropped.

    Example:

    ```python
    inputs = keras.Input((32, 32, 3))
    edges = keras.layers.Conv2D(4, 3, 2, "same", name="edges")(inputs)
    shapes = keras.layers.Conv2D(8, 3, 2, "same", name="shapes")(edges)
    source = keras_reprogram.sources.stage_features(
        keras.Model(inputs, shapes), layers=["edges", "shapes"]
    )
    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer((8, 8, 1), pattern=None),
        keras_reprogram.outputs.AttentiveProbe(num_classes=3),
    )
    model.compile()
    images = np.random.randint(0, 256, size=(24, 8, 8, 1), dtype="uint8")
    model.fit_label_map(images, np.arange(24) % 3, verbose=0)
    ```

    Args:
        num_classes: Integer. Number of target classes, `T`.
        width: Integer. Number of principal components of a block. Defaults to
            `64`.
        num_heads: Integer. Number of heads. Defaults to `None`, one for each
            block.
        block_sizes: List of integers. Sizes of the blocks. Defaults to `None`:
            `ReprogrammedModel` takes them from the source.
        jitter: Float. Standard deviation of the noise of tokens, whose mean
            squared norm is 1. Defaults to `0.05`.
        dropout: Float in `[0, 1)`. Share of the weights of attention that are
            set to zero in training. Defaults to `0.1`.
        seed: Integer. Seed of the first values, the noise and the dropout.
            Defaults to a random one.
        from_logits: Boolean. As for `keras_reprogram.outputs.RegressionHead`.
        source_activation: String. As for
            `keras_reprogram.outputs.RegressionHead`.
        **kwargs: `class_names`, as of `keras_reprogram.LabelMapper`, and
            keyword arguments of `keras.layers.Layer`.

    Call arguments:
        outputs: Tensor `(batch, S)`, the source's outputs.
        samples: Not used.
        training: Boolean. Whether to add noise and to drop weights. Defaults
            to `None`.

    Returns:
        A tensor of logits `(batch, T)`, of float32 at least.

    Raises:
        ValueError: If a setting is not valid, or the source's output is not
            the concatenation of two or more blocks.

    References:
        - [ALF](https://arxiv.org/abs/2601.09322)
    """

    program_strings = {"source_activation": reading.ACTIVATIONS}

    alignment: keras.Variable
    query: keras.Variable
    query_bias: keras.Variable
    value_kernel: keras.Variable
    output_kernel: keras.Variable
    kernel: keras.Variable
    bias: keras.Variable
    block_mean: keras.Variable
    projection: keras.Variable
    fused_mean: keras.Variable
    fused_scale: keras.Variable

    def __init__(
        self,
        num_classes: int,
        width: int = 64,
        num_heads: int | None = None,
        block_sizes: Sequence[int] | None = None,
        jitter: float = 0.05,
        dropout: float = 0.1,
        seed: int | None = None,
        from_logits: bool | None = None,
        source_activation: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            from_logits, source_activation, splits_sigmoid=False, **kwargs
        )
        self.num_classes = positive_integer("num_classes", num_classes)
        if self.num_classes == 1:
            raise ValueError(
                "A classifier needs two classes. Received: num_classes=1"
            )
        self.width = positive_integer("width", width)
        if num_heads is not None:
            num_heads = positive_integer("num_heads", num_heads)
        self.num_heads = num_heads
        if block_sizes is not None:
            block_sizes = positive_integers("block_sizes", block_sizes)
        self.block_sizes = block_sizes
        self.blocks: FixedShape = block_sizes or ()
        self.jitter = number("jitter", jitter, 0.0)
        self.dropout = number("dropout", dropout, 0.0, 0.99)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    @property
    def needs_data(self) -> bool:
        return True

    @property
    def returns_logits(self) -> bool:
        return True

    # === The source ===

    def resolve(self, specification: SourceSpecification) -> None:
        super().resolve(specification)
        self.blocks = self.block_sizes or tuple(specification.block_sizes)
        self._check_blocks((None, specification.num_classes))

    def _check_blocks(self, outputs_shape: Shape) -> None:
        """Raises a `ValueError` unless the outputs are two or more blocks."""
        if (
            len(outputs_shape) != 2
            or len(self.blocks) < 2
            or sum(self.blocks) != outputs_shape[-1]
        ):
            raise ValueError(
                "`AttentiveProbe` needs one output a sample that is the "
                "concatenation of two or more blocks, such as that of "
                "`keras_reprogram.sources.stage_features`, or their "
                "`block_sizes`. Received: blocks of sizes "
                f"{list(self.blocks)} and outputs of shape {outputs_shape}"
            )

    def resolved_state(self) -> dict[str, Any] | None:
        state = super().resolved_state()
        return state and {"reading": state, "blocks": self.blocks}

    def restore_resolved(self, state: dict[str, Any]) -> None:
        self.reading, self.is_resolved = Reading(**state["reading"]), True
        self.blocks = tuple(state["blocks"])

    def resolved_config(self) -> dict[str, Any]:
        return {**super().resolved_config(), "block_sizes": self.blocks}

    # === The layer ===

    @property
    def shapes(self) -> dict[str, FixedShape]:
        """Shapes of the variables, by their names."""
        size, blocks, width = sum(self.blocks), len(self.blocks), self.width
        heads = self.num_heads or blocks
        # Twice as much as the width for all heads together, as in the paper.
        head = -(-2 * width // heads)
        return {
            "alignment": (blocks, width, width),
            "query": (heads, width),
            "query_bias": (heads, blocks),
            "value_kernel": (heads, width, head),
            "output_kernel": (heads, head, width),
            "kernel": (width, self.num_classes),
            "bias": (self.num_classes,),
            "block_mean": (size,),
            "projection": (size, width),
            "fused_mean": (width,),
            "fused_scale": (width,),
        }

    def build(self, input_shape: Shape) -> None:
        self._check_blocks(tuple(input_shape))
        if not self.reading.num_outputs:
            self.reading = self.reading_of("linear", sum(self.blocks))
        self.targets = targets.ClassTargets(self.num_classes)
        self.input_spec = keras.layers.InputSpec(
            ndim=2, axes={-1: sum(self.blocks)}
        )
        width, names = self.width, list(self.shapes)
        identities = np.tile(np.eye(width), (len(self.blocks), 1, 1))
        first = {
            "alignment": constant(identities),
            # What products with the paper's query and key have at the start.
            "query": self.random(1 / (3 * width**0.5)),
            "value_kernel": self.random((3 * width) ** -0.5),
            "output_kernel": self.random((6 * width) ** -0.5),
            "fused_scale": "ones",
        }
        for name, shape in self.shapes.items():
            variable = self.add_weight(
                name=name,
                shape=shape,
                dtype=full_dtype(self.variable_dtype),
                initializer=first.get(name, "zeros"),
                trainable=names.index(name) <= names.index("bias"),
            )
            setattr(self, name, variable)
        self.add_solved_flag(False)

    def random(self, deviation: float) -> keras.initializers.Initializer:
        """Returns an initializer of normal numbers."""
        return keras.initializers.RandomNormal(
            stddev=deviation, seed=self.seed_generator
        )

    def tokens(self, outputs: Tensor) -> Tensor:
        """Returns the projected blocks `[N, L, width]`."""
        outputs = ops.cast(outputs, self.full_dtype)
        features = self.reading.features(outputs)
        found = []
        for start, stop in self.bounds:
            block = unit_vectors(features[:, start:stop])
            block = ops.subtract(block, self.block_mean[start:stop])
            found.append(ops.matmul(block, self.projection[start:stop]))
        return ops.stack(found, axis=1)

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """First and last index of each block."""
        ends = list(itertools.accumulate(self.blocks, initial=0))
        return list(zip(ends, ends[1:]))

    def normalized(self, tokens: Tensor) -> Tensor:
        """Returns the aligned tokens with means of 0 and variances of 1."""
        aligned = ops.einsum("nlw,lwv->nlv", tokens, self.alignment)
        mean = ops.mean(aligned, axis=-1, keepdims=True)
        variance = ops.var(aligned, axis=-1, keepdims=True)
        # Tokens have a mean square of 1 / width, less than layers do.
        scale = ops.rsqrt(variance + EPSILON / self.width)
        return ops.multiply(ops.subtract(aligned, mean), scale)

    def _weights_of(self, tokens: Tensor) -> Tensor:
        """Returns the weights of attention `[N, heads, L]`.

        Args:
            tokens: Tensor `[N, L, width]`. The result of `normalized`.
        """
        scores = ops.einsum("nlw,hw->nhl", tokens, self.query)
        return ops.softmax(ops.add(scores, self.query_bias), axis=-1)

    def attention(self, outputs: Tensor) -> Tensor:
        """Returns how much each head attends to each block, `[N, heads, L]`.

        Args:
            outputs: Tensor `(batch, S)`. The source's outputs.
        """
        return self._weights_of(self.normalized(self.tokens(outputs)))

    def fused(self, tokens: Tensor, training: bool | None = None) -> Tensor:
        """Returns the sum of what the heads return, `[N, width]`."""
        if training and self.jitter:
            tokens = self._jittered(tokens)
        tokens = self.normalized(tokens)
        weights = self._weights_of(tokens)
        if training and self.dropout:
            weights = keras.random.dropout(
                weights, self.dropout, seed=self.seed_generator
            )
        means = ops.einsum("nhl,nlw->nhw", weights, tokens)
        values = ops.einsum("nhw,hwk->nhk", means, self.value_kernel)
        return ops.einsum("nhk,hkw->nw", values, self.output_kernel)

    def _jittered(self, tokens: Tensor) -> Tensor:
        shape = ops.shape(tokens)
        noise = keras.random.normal(
            shape,
            stddev=self.jitter,
            dtype=tokens.dtype,
            seed=self.seed_generator,
        )
        drawn = keras.random.uniform(
            (shape[0], 1, 1), seed=self.seed_generator, dtype=tokens.dtype
        )
        return ops.where(drawn < 0.5, ops.add(tokens, noise), tokens)

    def call(
        self,
        outputs: Tensor,
        samples: Tensor = None,
        training: bool | None = None,
    ) -> Tensor:
        self.check_solved_in_call()
        fused = self.fused(self.tokens(outputs), training)
        fused = (fused - self.fused_mean) / self.fused_scale
        return ops.add(ops.matmul(fused, self.kernel), self.bias)

    def adapt(self, batches: Iterable[Batch]) -> None:
        """Finds the projections, the standardization and the classifier.

        Args:
            batches: Iterable of tuples of the source's outputs `[N, S]` on
                reprogrammed samples, their labels `[N]`, and optionally
                weights `[N]`, which count for the classifier.

        Raises:
            ValueError: If there is no batch, an output is not finite, or a
                label is not an integer in `[0, num_classes)`.
        """
        kept = [labeled(batch) for batch in with_weights(batches)]
        if not kept:
            raise ValueError(
                "An attentive probe is adapted to at least one batch of data. "
                "Received: no batches"
            )
        outputs, labels, weights = samples_of(kept, self.num_classes)
        outputs = outputs.astype(self.full_dtype)
        features = ops.convert_to_numpy(self.reading.features(outputs, np))
        means, projections = zip(
            *(
                principal_components(
                    unit_vectors(features[:, start:stop], library=np),
                    self.width,
                )
                for start, stop in self.bounds
            )
        )
        self.block_mean.assign(np.concatenate(means))
        self.projection.assign(np.concatenate(projections))
        fused = np.concatenate(
            [
                ops.convert_to_numpy(
                    self.fused(self.tokens(outputs[start:][:ROWS_AT_ONCE]))
                )
                for start in range(0, len(outputs), ROWS_AT_ONCE)
            ]
        )
        mean, scale = fused.mean(axis=0), fused.std(axis=0)
        scale = np.where(scale > 1e-6, scale, 1.0)
        self.fused_mean.assign(mean)
        self.fused_scale.assign(scale)
        kernel, bias = logistic_regression(
            (fused - mean) / scale,
            labels,
            self.num_classes,
            REGULARIZATION,
            weights,
        )
        self.kernel.assign(kernel)
        self.bias.assign(bias)
        self.mark_solved()

    def check_solved(self) -> None:
        if not self.solved:
            raise ValueError(
                "The projections of an `AttentiveProbe` are computed from data:"
                " call `adapt` of the `ReprogrammedModel` with training data, "
                "or `fit`, which calls it. `fit` of a clone, or of a model "
                "that contains it, does not. Received: a probe without data"
            )

    # === Files ===

    @property
    def learned_variables(self) -> list[keras.Variable]:
        return [getattr(self, name) for name in self.shapes]

    def expected_variables(
        self, specification: SourceSpecification, outputs_shape: Shape
    ) -> list[ExpectedVariable]:
        self._check_blocks(tuple(outputs_shape))
        for shape in self.shapes.values():
            check_size(shape, LARGEST_SAMPLE)
        return [ExpectedVariable(shape) for shape in self.shapes.values()]

    def compute_output_spec(
        self,
        outputs: keras.KerasTensor,
        samples: keras.KerasTensor | None = None,
        training: bool | None = None,
    ) -> keras.KerasTensor:
        shape = (outputs.shape[0], self.num_classes)
        return keras.KerasTensor(shape, self.full_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "width": self.width,
            "num_heads": self.num_heads,
            "block_sizes": self.block_sizes,
            "jitter": self.jitter,
            "dropout": self.dropout,
            "seed": self.seed,
        }


def labeled(batch: Weighted) -> Weighted:
    """Returns the samples of a batch whose labels the loss does not ignore."""
    outputs, labels, weights = batch
    kept = np.asarray(labels) != targets.IGNORED
    if weights is not None:
        weights = np.asarray(weights)[kept]
    return np.asarray(outputs)[kept], np.asarray(labels)[kept], weights
