"""From the source's outputs to the target's."""

import itertools
import threading
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import constant
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.labels import mappings
from keras_reprogram.labels import methods
from keras_reprogram.labels import targets
from keras_reprogram.labels.label_end import LabelEnd
from keras_reprogram.labels.logarithm import SMALLEST_PROBABILITY
from keras_reprogram.labels.logarithm import logarithm
from keras_reprogram.labels.methods import Mapping
from keras_reprogram.labels.replicas import summed_over_replicas
from keras_reprogram.specification import SourceSpecification


@serializable
class LabelMapper(LabelEnd):
    """Maps source classes to target classes by one matrix.

    ```
    outputs = source_outputs @ matrix         # [N, S] @ [S, T]
    ```

    Where a target class is the mean of some source classes, these are stored
    and looked up in place of the matrix.

    Where the source has outputs at every step of a sequence or at every pixel
    of an image, `[N, ..., S]`, each of them is mapped: tagging, infilling,
    segmentation.

    Random, frequent, iterative, Bayesian, many-to-one and hand-written maps
    differ only in how the matrix is found. `"linear"` trains it, with a bias.

    | `mapping` | the matrix |
    |---|---|
    | `"identity"` | target class `t` is source class `t` |
    | `"random"` | drawn once |
    | `"frequency"` | most frequent predictions, before training (FLM) |
    | `"iterative"` | the same, solved again after every epoch (ILM) |
    | `"bayesian"`, `"bayesian_plus"` | by Bayes' rule (BLM, BLM+) |
    | `"linear"` | trained, from a logistic regression |
    | a matrix, or lists of source classes | as written |

    Example:

    ```python
    mapper = keras_reprogram.LabelMapper(
        num_classes=3, mapping="identity", sources_per_target=2
    )
    mapper(np.array([[0.05, 0.1, 0.15, 0.2, 0.25, 0.25]]))
    # [[0.075, 0.175, 0.25]]
    ```

    Args:
        num_classes: Number of target classes, `T`.
        mapping: A name from the table, a `keras_reprogram.labels.Mapping`, a
            matrix `[S, T]`, or a list of source classes for every target.
        sources_per_target: Source classes of a target class in the identity,
            random, frequency, iterative and similarity maps. The target's
            output is their mean.
        from_logits: Whether the source returns logits, not probabilities.
            Left out, `ReprogrammedModel` takes it from the source, and a
            mapper used by itself expects logits. A linear map acts on the
            logarithm of probabilities; so do statistics of them.
        multi_label: Whether the `T` targets are binary and independent:
            labels are then 0 or 1 of shape `(batch, T)`, and the loss is
            `keras_reprogram.losses.KnownBinaryCrossentropy` or Keras's own
            binary cross-entropy. Statistics count the ones.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: The source's outputs, of shape `(batch, S)`, or `(batch, ...,
            S)` for one at every position. Labels are then of shape `(batch,
            ...)`; -1 marks a position without one, for which the loss needs
            `ignore_class=-1`.

    Returns:
        A tensor of shape `(batch, ..., T)`. A linear map returns logits. The
        others return logits where the source returns logits, and
        probabilities up to a factor where it returns those.

    Raises:
        ValueError: If the mapping does not fit the numbers of classes.

    References:
        - [Bayesian-guided label mapping](https://arxiv.org/abs/2410.24018)
        - [ILM-VP](https://arxiv.org/abs/2211.11635)
    """

    def __init__(
        self,
        num_classes: int,
        mapping: Any = "linear",
        sources_per_target: int = 1,
        from_logits: bool | None = None,
        multi_label: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes = positive_integer("num_classes", num_classes)
        self.mapping: Mapping = methods.get(mapping)
        self.sources_per_target = positive_integer(
            "sources_per_target", sources_per_target
        )
        self.multi_label = boolean("multi_label", multi_label)
        if self.num_classes == 1 and not multi_label:
            raise ValueError(
                "One class leaves nothing to decide: use `num_classes=2`, or "
                "`multi_label=True` for one binary target. Received: "
                "num_classes=1"
            )
        if from_logits is not None:
            from_logits = boolean("from_logits", from_logits)
        self.from_logits = from_logits
        # Epochs, or steps, since the map was last solved in `fit`.
        self.rounds: int | None = None
        # A step's logits wait for its labels; replicas are threads.
        self.waiting = threading.local()

    @property
    def gathers(self) -> bool:
        return self.mapping.update_every is not None

    @property
    def needs_data(self) -> bool:
        return self.mapping.needs_data

    def accept(self, specification: SourceSpecification) -> None:
        if self.from_logits is None:
            self.from_logits = specification.from_logits

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                "A label map needs a source with an axis of classes: outputs "
                "of shape (batch, ..., classes). Received: "
                f"{tuple(input_shape)}"
            )
        self.num_sources = input_shape[-1]
        self.positions = len(input_shape) - 2
        self.input_spec = keras.layers.InputSpec(
            ndim=len(input_shape), axes={-1: self.num_sources}
        )
        shape = (self.num_sources, self.num_classes)
        matrix, bias = np.zeros(shape), np.zeros(self.num_classes)
        if not self.mapping.needs_data:
            matrix, bias = self.mapping.solve(
                None, *shape, self.sources_per_target
            )
        elif isinstance(self.mapping, methods.StatisticsMapping):
            # Solving from nothing shows now whether the numbers fit.
            self.mapping.matrix(matrix, self.sources_per_target)
        choices = self.mapping.choices(self.sources_per_target)
        self.dense = self.sources = None
        if choices is None:
            self.dense = self.add_weight(
                name="matrix",
                shape=shape,
                initializer=constant(matrix),
                trainable=self.mapping.trainable,
            )
        else:
            sources = np.zeros((self.num_classes, choices))
            if not self.mapping.needs_data:
                sources = mappings.chosen_sources(matrix)
            self.sources = self.add_weight(
                name="sources",
                shape=sources.shape,
                dtype="int32",
                initializer=constant(sources),
                trainable=False,
            )
        self.bias = None
        if self.mapping.has_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.num_classes,),
                initializer=constant(bias),
                trainable=self.mapping.trainable,
            )
        self.is_solved = self.add_weight(
            name="is_solved",
            shape=(),
            dtype="int32",
            initializer=constant(int(not self.mapping.needs_data)),
            trainable=False,
        )
        self.statistics = None
        if self.gathers:
            self.statistics = self.add_weight(
                name="statistics",
                shape=shape,
                dtype="float32",
                initializer="zeros",
                trainable=False,
                aggregation="mean",  # Replicas hold the same sums.
            )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training and self.gathers:
            # The labels of a step arrive after its outputs, in its loss.
            logits = ops.reshape(inputs, (-1, self.num_sources))
            self.waiting.logits = ops.stop_gradient(self.to_logits(logits))
        if self.mapping.has_bias:
            return ops.add(
                ops.matmul(self.to_logits(inputs), self.dense), self.bias
            )
        if self.sources is None:
            outputs = self.mapping.apply(inputs, self.dense)
        else:
            chosen = ops.take(inputs, self.sources, axis=-1)
            outputs = ops.mean(chosen, axis=-1)
        if self.from_logits is False:
            # Losses divide by the sum, which would be zero where the source is
            # certain of a class that no target has.
            outputs = ops.add(outputs, SMALLEST_PROBABILITY)
        return outputs

    @property
    def matrix(self) -> Any:
        """The map as a matrix `[S, T]`, however it is stored."""
        if self.sources is None:
            return self.dense
        chosen = ops.one_hot(self.sources, self.num_sources)
        return ops.transpose(ops.mean(chosen, axis=1))

    def to_logits(self, outputs: Any) -> Any:
        if self.from_logits is False:
            return logarithm(outputs)
        return outputs

    def gather(self, labels: Any) -> None:
        """Adds the training step's samples to the statistics, on the device.

        Every sample counts once, whatever its weight in the loss.

        Args:
            labels: Integer tensor `[N, ...]` or `[N, ..., 1]`, of the samples
                with which the layer was last called in training; `[N, ..., T]`
                where targets are binary. A label outside `[0, num_classes)`
                is not counted.
        """
        logits = self.waiting.logits
        del self.waiting.logits
        sources, weights = self.mapping.contribution(logits, self.num_classes)
        if self.multi_label:
            self.gather_binary(sources, weights, labels)
            return
        labels = ops.cast(ops.reshape(labels, (-1, 1)), "int32")
        valid = ops.logical_and(labels >= 0, labels < self.num_classes)
        weights = ops.where(valid, weights, ops.zeros_like(weights))
        cells = ops.cast(sources, "int32") * self.num_classes + labels
        cells = ops.where(valid, cells, ops.zeros_like(cells))
        sums = ops.segment_sum(
            ops.reshape(weights, (-1,)),
            ops.reshape(cells, (-1,)),
            num_segments=self.num_sources * self.num_classes,
        )
        self.count(ops.reshape(sums, self.statistics.shape))

    def gather_binary(self, sources: Any, weights: Any, labels: Any) -> None:
        # A comparison with NaN, a label that is not known, is false.
        ones = ops.cast(ops.equal(labels, 1), "float32")
        ones = ops.reshape(ones, (-1, 1, self.num_classes))
        shares = ops.multiply(ops.expand_dims(weights, -1), ones)
        sums = ops.segment_sum(
            ops.reshape(shares, (-1, self.num_classes)),
            ops.reshape(ops.cast(sources, "int32"), (-1,)),
            num_segments=self.num_sources,
        )
        self.count(sums)

    def count(self, sums: Any) -> None:
        self.statistics.assign_add(summed_over_replicas(sums))

    def update(self) -> None:
        """Solves the matrix from the gathered statistics and resets them.

        `fit` calls this; after a loop of `train_on_batch`, call it yourself.

        Raises:
            ValueError: If no statistics were gathered.
        """
        statistics = ops.convert_to_numpy(self.statistics.value)
        if not statistics.any():
            raise ValueError(
                "The label map cannot be solved: the training steps gathered "
                "no statistics. Are the labels integers from 0 to "
                f"{self.num_classes - 1}? Received: statistics of 0 samples"
            )
        matrix = self.mapping.matrix(statistics, self.sources_per_target)
        self.assign(matrix)
        self.forget()

    def forget(self) -> None:
        """Resets the statistics gathered so far."""
        if self.statistics is not None:
            self.statistics.assign(np.zeros(self.statistics.shape))

    def adapt(self, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        """Finds the map from a pass over data.

        Args:
            batches: Pairs of the source's outputs `[N, ..., S]` on
                reprogrammed samples and their labels `[N, ...]`.

        Raises:
            ValueError: If there is no batch, an output is not finite, or a
                label is not an integer in `[0, num_classes)`.
        """
        batches = (self.labelled_logits(*batch) for batch in batches)
        first = next(batches, None)
        if first is None:
            raise ValueError(
                "A label map is found from at least one batch of data. "
                "Received: no batches"
            )
        matrix, bias = self.mapping.solve(
            itertools.chain([first], batches),
            self.num_sources,
            self.num_classes,
            self.sources_per_target,
        )
        self.assign(matrix, bias)
        self.forget()

    def labelled_logits(
        self, outputs: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The logits `[M, S]` and labels of all positions that have one."""
        if self.from_logits is False:
            outputs = logarithm(outputs, np)
        if outputs.ndim > 2:
            outputs = outputs.reshape(-1, outputs.shape[-1])
            axis = (labels.shape[-1],) if self.multi_label else ()
            labels = labels.reshape(-1, *axis)
            if not self.multi_label:
                known = labels != targets.NO_LABEL
                outputs, labels = outputs[known], labels[known]
        return outputs, labels

    def check_target_shape(self, shape: tuple, sparse: bool) -> None:
        if self.multi_label:
            targets.check_binary_shape(shape, self.num_classes, self.positions)
        elif sparse or self.gathers:
            targets.check_sparse_shape(shape, self.positions)

    def check_targets(self, labels: np.ndarray, sparse: bool) -> None:
        if self.multi_label:
            targets.check_binary(labels, self.num_classes, self.positions)
        elif sparse or self.gathers:
            targets.check_sparse(labels, self.num_classes, self.positions)

    def solvable_labels(self, labels: np.ndarray, sparse: bool) -> np.ndarray:
        """Labels as a mapping is solved from: integers, or binary targets."""
        if self.multi_label:
            self.check_target_shape(labels.shape, sparse)
            return labels
        one_hot = labels.ndim == self.positions + 2
        if one_hot and not (sparse or self.gathers):
            labels = targets.one_hot_to_sparse(labels, self.num_classes)
        targets.check_sparse_shape(labels.shape, self.positions)
        return labels.reshape(labels.shape[: self.positions + 1])

    def assign(
        self, matrix: np.ndarray, bias: np.ndarray | None = None
    ) -> None:
        if self.sources is None:
            self.dense.assign(matrix.astype("float32"))
        else:
            self.sources.assign(mappings.chosen_sources(matrix))
        if self.bias is not None:
            self.bias.assign(bias.astype("float32"))
        self.is_solved.assign(1)

    def restored(self) -> None:
        if self.sources is not None:
            sources = ops.convert_to_numpy(self.sources.value)
            if sources.min() < 0 or sources.max() >= self.num_sources:
                raise ValueError(
                    "Every source class must lie between 0 and "
                    f"{self.num_sources - 1}. Received: classes from "
                    f"{sources.min()} to {sources.max()}"
                )
        super().restored()

    def check_solved(self) -> None:
        if not self.solved:
            raise ValueError(
                f"The label map `{type(self.mapping).__name__}` is found from "
                "data and has seen none: call `adapt` on the model with "
                "training data, or `fit`, which does so by itself. Received: "
                "a label map without statistics"
            )

    @property
    def learned_variables(self) -> list[keras.Variable]:
        variables = [self.sources, self.dense, self.bias]
        return [variable for variable in variables if variable is not None]

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.num_classes)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "mapping": keras.saving.serialize_keras_object(self.mapping),
            "sources_per_target": self.sources_per_target,
            "from_logits": self.from_logits,
            "multi_label": self.multi_label,
        }
