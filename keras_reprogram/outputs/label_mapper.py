"""The layer that maps source classes to target classes."""

import dataclasses
import itertools
import warnings
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import constant
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.keras_internals import entry_layer
from keras_reprogram.keras_internals import in_stateless_scope
from keras_reprogram.outputs import mappings
from keras_reprogram.outputs import reading
from keras_reprogram.outputs import targets
from keras_reprogram.outputs.cross_validation import Solution
from keras_reprogram.outputs.label_statistics import statistics_of_step
from keras_reprogram.outputs.label_statistics import weights_of_step
from keras_reprogram.outputs.label_weights import Batch
from keras_reprogram.outputs.label_weights import Weighted
from keras_reprogram.outputs.label_weights import weights_of_shape
from keras_reprogram.outputs.label_weights import with_weights
from keras_reprogram.outputs.mappings.mapping import Mapping
from keras_reprogram.outputs.mappings.mapping import MapShape
from keras_reprogram.outputs.mappings.mapping import StatisticsMapping
from keras_reprogram.outputs.mappings.selection import selected_sources
from keras_reprogram.outputs.reading_mapping import ReadingMapping
from keras_reprogram.outputs.targets import LabelFormat
from keras_reprogram.probabilities import SMALLEST_PROBABILITY
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.replicas import summed_over_replicas
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import gathered

LARGEST_MAP = 2**28  # numbers of a matrix, 1 GiB


@serializable
class LabelMapper(ReadingMapping):
    """Maps source classes to target classes by one matrix.

    ```
    outputs = source_outputs @ matrix         # [N, S] @ [S, T]
    ```

    If a target class is the mean of some source classes, their indices are
    stored instead of the matrix. If the source has outputs at every step of a
    sequence or every pixel of an image, `[N, ..., S]`, each of them is mapped,
    for tagging, infilling or segmentation.

    A source with one sigmoid output `p` has the two classes `[1 - p, p]`.
    Several sigmoid outputs are converted to logits, `log p - log(1 - p)`.

    A map that is solved from data raises a `ValueError` if it is called before.
    `ReprogrammedModel.fit` and `adapt` solve it; training a model that contains
    the `ReprogrammedModel` does not.

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
        num_classes: Integer. Number of target classes, `T`.
        mapping: String from the table, `keras_reprogram.outputs.Mapping`,
            matrix `[S, T]`, or list of source classes for every target class.
            Defaults to `"linear"`.
        sources_per_target: Integer. Number of source classes of a target class
            in the identity, random, frequency, iterative, semantic and
            similarity maps. The target's output is their mean. Defaults to `1`.
        from_logits: Boolean. Whether the source returns logits, not
            probabilities. Defaults to `None`: `ReprogrammedModel` takes it
            from the source, and a mapper used by itself expects logits. A
            linear map acts on the logarithm of probabilities, and so do
            statistics. The attribute `returns_logits` is whether the mapper's
            own outputs are logits, for the loss.
        multi_label: Boolean. Whether the `T` targets are binary and
            independent: labels are then 0 or 1 of shape `(batch, T)`, and the
            loss is `keras_reprogram.losses.MaskedBinaryCrossentropy` or
            Keras's own binary cross-entropy. Statistics count the ones, and the
            metrics of `keras_reprogram.metrics` ignore NaN. Defaults to
            `False`.
        source_activation: String. `"linear"`, `"softmax"` or `"sigmoid"`,
            the activation of the source's outputs. Defaults to `None`: it
            follows from the source and `from_logits`.
        **kwargs: `class_names`, a list of strings in the order of labels, which
            program files, banks and exports keep; and keyword arguments of
            `keras.layers.Layer`.

    Call arguments:
        outputs: Tensor `(batch, S)`, the source's outputs, or
            `(batch, ..., S)` for one at every position. Labels are then of
            shape `(batch, ...)`; -1 marks a position without a label, for
            which the loss needs `ignore_class=-1`.
        samples: Not used.
        training: Boolean. With `True`, a map that is solved again raises a
            `ValueError` in a model that does not update it. Defaults to `None`.

    Returns:
        A tensor of shape `(batch, ..., T)`, of float32 at least. A linear map
        returns logits. The others return logits if the source returns logits or
        several sigmoids, and probabilities up to a factor if it returns
        probabilities.

    Raises:
        ValueError: If the mapping does not fit the numbers of classes, or the
            source has one linear output, which is not a class.

    References:
        - [Bayesian-guided label mapping](https://arxiv.org/abs/2410.24018)
        - [ILM-VP](https://arxiv.org/abs/2211.11635)
    """

    program_objects = {"mapping": Mapping}
    program_strings = {"source_activation": reading.ACTIVATIONS}

    def __init__(
        self,
        num_classes: int,
        mapping: object = "linear",
        sources_per_target: int = 1,
        from_logits: bool | None = None,
        multi_label: bool = False,
        source_activation: str | None = None,
        **kwargs: Any,
    ) -> None:
        # A sigmoid output is already a binary target.
        multi_label = boolean("multi_label", multi_label)
        super().__init__(
            from_logits, source_activation, not multi_label, **kwargs
        )
        self.num_classes = positive_integer("num_classes", num_classes)
        self.mapping: Mapping = mappings.get(mapping)
        self.sources_per_target = positive_integer(
            "sources_per_target", sources_per_target
        )
        self.multi_label = multi_label
        if self.num_classes == 1 and not multi_label:
            raise ValueError(
                "A classifier needs two classes: use `num_classes=2`, or "
                "`multi_label=True` for one binary target. Received: "
                "num_classes=1"
            )

    @property
    def needs_data(self) -> bool:
        return self.mapping.needs_data

    @property
    def updates_statistics(self) -> bool:
        return self.mapping.update_every is not None

    @property
    def _statistics_mapping(self) -> StatisticsMapping:
        """The mapping, if it is solved from statistics."""
        if not isinstance(self.mapping, StatisticsMapping):
            raise ValueError(
                "Only mappings that are solved from statistics have them. "
                f"Received: mapping={self.mapping!r}"
            )
        return self.mapping

    @property
    def returns_logits(self) -> bool:
        """Whether the outputs are logits, and not probabilities."""
        return self.mapping.has_bias or not self.reading.gives_probabilities

    def build(self, input_shape: Shape) -> None:
        num_outputs = reading.num_outputs_of(input_shape)
        if not self.reading.num_outputs:
            self.reading = self.reading_of("linear", num_outputs)
        if self.reading.num_outputs == 1 and (
            self.reading.activation == "linear"
        ):
            raise ValueError(
                "One linear output is not a class that could be mapped: "
                "use `keras_reprogram.outputs.RegressionHead` for a number, or "
                'pass `source_activation="sigmoid"` if it is the probability '
                "of a class. Received: a source with one linear output"
            )
        self.num_position_axes = len(input_shape) - 2
        self.targets = targets.ClassTargets(
            self.num_classes, tuple(input_shape[1:-1])
        )
        if self.multi_label:
            self.targets = targets.BinaryTargets(
                self.num_classes, self.num_position_axes
            )
        self.input_spec = keras.layers.InputSpec(
            ndim=len(input_shape), axes={-1: self.reading.num_outputs}
        )
        self.map_shape = MapShape(
            self.reading.num_classes, self.num_classes, self.sources_per_target
        )
        self.check_size()
        trainable = self.mapping.trainable
        self.dense: keras.Variable | None = None
        self.sources: keras.Variable | None = None
        self.bias: keras.Variable | None = None
        self.statistics: keras.Variable | None = None
        selected = self.mapping.num_selected(self.sources_per_target)
        first, bias = self._first_values(selected)
        if selected is None:
            self.dense = self.add_weight(
                name="matrix",
                shape=self.map_shape.matrix,
                initializer=constant(first),
                trainable=trainable,
            )
        else:
            self.sources = self.add_weight(
                name="sources",
                shape=(self.num_classes, selected),
                dtype="int32",
                initializer=constant(first),
                trainable=False,
            )
        if self.mapping.has_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.num_classes,),
                initializer=constant(bias),
                trainable=trainable,
            )
        self.add_solved_flag(not self.needs_data)
        if self.updates_statistics:
            self.statistics = self.add_weight(
                name="statistics",
                shape=self.map_shape.matrix,
                dtype="float32",
                initializer="zeros",
                trainable=False,
                aggregation="mean",  # Replicas hold the same sums.
            )

    def check_size(self) -> None:
        if np.prod(self.map_shape.matrix) > LARGEST_MAP:
            raise ValueError(
                f"A map from {self.map_shape.num_sources} source classes to "
                f"{self.num_classes} target classes has more than "
                f"{LARGEST_MAP} numbers: use fewer target classes, or a "
                "source of fewer outputs. Received: num_classes="
                f"{self.num_classes}"
            )

    def _first_values(
        self, num_selected: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the initial matrix or source classes, and the bias.

        Args:
            num_selected: Integer. Number of source classes of a target class,
                or `None` for a matrix.
        """
        shape, dtype = self.map_shape.matrix, self.variable_dtype
        if num_selected is not None:
            shape, dtype = (self.num_classes, num_selected), "int32"
        bias = np.zeros(self.num_classes)
        if self.stored_values is not None:
            # The largest array of most files. Assigning it to a matrix of zeros
            # would keep four copies in memory on TensorFlow.
            return self.stored_values.take(0, shape, dtype), bias
        if not self.needs_data:
            matrix, bias, *_ = self.mapping.solve(None, self.map_shape)
            if num_selected is None:
                return matrix, bias
            return selected_sources(matrix), bias
        if isinstance(self.mapping, StatisticsMapping):
            # Solve empty statistics to check the numbers of classes early.
            zeros = np.zeros(self.map_shape.matrix)
            self.mapping.matrix(zeros, self.sources_per_target)
        return np.zeros(shape), bias

    def call(
        self,
        outputs: Tensor,
        samples: Tensor = None,
        training: bool | None = None,
    ) -> Tensor:
        self.check_solved_in_call()
        if training and self.updates_statistics:
            self._check_trained_model()
        outputs = ops.cast(outputs, self.full_dtype)
        if self.mapping.has_bias:
            logits = self.reading.logits(outputs)
            return ops.add(ops.matmul(logits, self.dense), self.bias)
        outputs = self.reading.classes(outputs)
        if self.sources is None:
            outputs = self.mapping.apply(outputs, self.dense)
        else:
            selected = gathered(outputs, self.sources)
            outputs = ops.mean(selected, axis=-1)
        if self.reading.gives_probabilities:
            # Losses divide by the sum of the probabilities, which would be 0 if
            # the source is certain of a class that no target uses.
            outputs = ops.add(outputs, SMALLEST_PROBABILITY)
        return outputs

    def _check_trained_model(self) -> None:
        """Raises if the model in training does not update the map.

        `ReprogrammedModel.fit` calls its mapper without `training`. Other calls
        are direct ones, which are fine, and those in the training of a clone or
        of a model that contains the `ReprogrammedModel`.
        """
        model = entry_layer(self)
        by_hand = model in (None, self) or (
            getattr(model, "label_mapper", None) is self
        )
        if in_stateless_scope() or not by_hand:
            raise ValueError(
                f"The label map `{type(self.mapping).__name__}` is solved "
                "again while its `ReprogrammedModel` is trained; a clone or "
                "a model that contains it does not do that: fit the "
                "`ReprogrammedModel` itself, or use a map that is not "
                'updated, such as "frequency". Received: the training of '
                f"a {type(model).__name__}"
            )

    @property
    def matrix(self) -> Tensor:
        """Returns the map as a matrix `[S, T]`."""
        if self.sources is None:
            return self.dense
        selected = ops.one_hot(self.sources, self.map_shape.num_sources)
        return ops.transpose(ops.mean(selected, axis=1))

    @property
    def intercept(self) -> Tensor | None:
        """The bias `[T]` beside `matrix`, or `None` for a map without one."""
        return self.bias

    # === Solving the map ===

    def update_statistics(
        self,
        outputs: Tensor,
        labels: Tensor,
        form: LabelFormat = targets.INTEGERS,
        sample_weight: Tensor = None,
    ) -> None:
        """Adds the samples of a training step to the statistics.

        A sample counts by its weight. Invalid labels and one-hot labels of
        zeros do not count.

        Args:
            outputs: Tensor `(batch, ..., S)`. The source's outputs.
            labels: Tensor `(batch, ...)` or `(batch, ..., 1)` of integers;
                one-hot labels `(batch, ..., T)`, which count for their largest;
                or binary targets `(batch, ..., T)`.
            form: A `LabelFormat`. Its `ignored` label does not count.
                Defaults to integers without an ignored label.
            sample_weight: Tensor `(batch,)` or `(batch, ...)`. Weights of
                samples or positions. Defaults to `None`, for weights of 1.
        """
        outputs = ops.stop_gradient(ops.convert_to_tensor(outputs))
        logits = self.reading.logits(outputs)
        rows = ops.shape(logits)[:-1]
        logits = ops.reshape(logits, (-1, self.map_shape.num_sources))
        sources, shares = self._statistics_mapping.contribution(
            logits, self.num_classes
        )
        if sample_weight is not None:
            shares = ops.multiply(shares, weights_of_step(sample_weight, rows))
        sums = statistics_of_step(
            (sources, shares),
            labels,
            self.map_shape,
            self.num_position_axes,
            self.multi_label,
            form.ignored,
        )
        if self.statistics is not None:
            self.statistics.assign_add(summed_over_replicas(sums))

    def update(self) -> None:
        """Solves the matrix from the statistics and resets them.

        `fit` calls this method; call it after a loop of `train_on_batch`.

        Raises:
            ValueError: If there are no statistics.
        """
        statistics = np.zeros(self.map_shape.matrix)
        if self.statistics is not None:
            statistics = ops.convert_to_numpy(self.statistics.value)
        if not statistics.any():
            raise ValueError(
                "The label map cannot be solved, because training steps "
                "gathered no statistics: pass labels that are integers from 0 "
                f"to {self.num_classes - 1}. Received: statistics of 0 samples"
            )
        matrix = self._statistics_mapping.matrix(
            statistics, self.sources_per_target
        )
        self.assign(matrix)
        self.reset_statistics()

    def reset_statistics(self) -> None:
        """Resets the statistics gathered in training."""
        if self.statistics is not None:
            self.statistics.assign(np.zeros(self.statistics.shape))

    def adapt(self, batches: Iterable[Batch]) -> None:
        """Solves the map from a pass over data.

        Args:
            batches: Iterable of tuples of the source's outputs `[N, ..., S]`
                on reprogrammed samples, their labels `[N, ...]`, and optionally
                weights of samples `[N]` or of labels, by which they count.

        Raises:
            ValueError: If there is no batch, an output is not finite, a label
                is not an integer in `[0, num_classes)`, a weight is negative or
                not finite, or all are 0.

        Warns if a class has no sample with a weight.
        """
        seen = SeenClasses(np.zeros(self.num_classes, bool))
        labeled = (
            self._labeled_logits(*batch) for batch in with_weights(batches)
        )
        noted = map(seen.noted, labeled)
        first = next(noted, None)
        if first is None:
            raise ValueError(
                "A label map is solved from at least one batch of data. "
                "Received: no batches"
            )
        # A mapping of one's own may return the matrix and the bias alone.
        solution = Solution(
            *self.mapping.solve(itertools.chain([first], noted), self.map_shape)
        )
        if not seen.has_weight:
            raise ValueError(
                "A label map is solved from samples with weights above 0. "
                "Received: weights of 0"
            )
        self.assign(solution.matrix, solution.bias)
        self.cross_validation = solution.cross_validation
        self.reset_statistics()
        missing = np.flatnonzero(~seen.classes)
        if missing.size:
            warnings.warn(
                f"{missing.size} of {self.num_classes} target classes had no "
                "sample with a weight in the data from which the label map was "
                f"solved, first {missing[:10].tolist()}: shuffle the data, or "
                "pass more of them to `adapt`.",
                stacklevel=2,
            )

    def _labeled_logits(
        self,
        outputs: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Weighted:
        """Returns logits `[M, S]`, labels, and weights of labeled positions."""
        logits = self.reading.logits(np.asarray(outputs), np)
        labels = np.asarray(labels)
        axis = (labels.shape[-1],) if self.multi_label else ()
        if weights is not None:
            of_labels = np.ndim(weights) == labels.ndim
            rows = labels.shape if of_labels else logits.shape[:-1]
            weights = weights_of_shape(weights, rows)
            weights = weights.reshape(-1, *(axis if of_labels else ()))
        if logits.ndim > 2:
            logits = logits.reshape(-1, logits.shape[-1])
            labels = labels.reshape(-1, *axis)
        if self.multi_label:
            return logits, labels, weights
        is_labeled = labels != targets.IGNORED
        if self.num_position_axes:
            is_labeled &= labels != targets.NO_LABEL
        if weights is not None:
            weights = weights[is_labeled]
        return logits[is_labeled], labels[is_labeled], weights

    def assign(
        self, matrix: np.ndarray, bias: np.ndarray | None = None
    ) -> None:
        """Sets the map.

        Args:
            matrix: Array `[S, T]`.
            bias: Array `[T]`, for a linear map. Defaults to `None`.
        """
        if self.sources is not None:
            self.sources.assign(selected_sources(matrix))
        elif self.dense is not None:
            self.dense.assign(matrix.astype("float32"))
        if self.bias is not None and bias is not None:
            self.bias.assign(bias.astype("float32"))
        self.mark_solved()

    def check_solved(self) -> None:
        if not self.solved:
            raise ValueError(
                f"The label map `{type(self.mapping).__name__}` is solved from "
                "data: call `adapt` of the `ReprogrammedModel` with training "
                "data, or `fit`, which calls it. `fit` of a clone, or of a "
                "model that contains it, does not. Received: a label map "
                "without statistics"
            )

    # === Files ===

    @property
    def learned_variables(self) -> list[keras.Variable]:
        variables = [self.sources, self.dense, self.bias]
        return [variable for variable in variables if variable is not None]

    def expected_variables(
        self, specification: SourceSpecification, outputs_shape: Shape
    ) -> list[ExpectedVariable]:
        shape = MapShape(
            self.reading.num_classes, self.num_classes, self.sources_per_target
        )
        check_size(shape.matrix, LARGEST_MAP)
        return self.mapping.expected_variables(shape)

    def check_variables(self) -> None:
        if self.sources is None:
            return
        sources = ops.convert_to_numpy(self.sources.value)
        if sources.min() < 0 or sources.max() >= self.map_shape.num_sources:
            raise ValueError(
                "Every source class must lie between 0 and "
                f"{self.map_shape.num_sources - 1}. Received: classes from "
                f"{sources.min()} to {sources.max()}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.num_classes)

    def compute_output_spec(
        self,
        outputs: keras.KerasTensor,
        samples: keras.KerasTensor | None = None,
        training: bool | None = None,
    ) -> keras.KerasTensor:
        shape = self.compute_output_shape(tuple(outputs.shape))
        return keras.KerasTensor(shape, self.full_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "mapping": keras.saving.serialize_keras_object(self.mapping),
            "sources_per_target": self.sources_per_target,
            "multi_label": self.multi_label,
        }


@dataclasses.dataclass
class SeenClasses:
    """Which classes occur in batches, with a weight above 0.

    Args:
        classes: Boolean array `[T]`.
        has_weight: Boolean. Whether any weight is above 0. Defaults to `False`.
    """

    classes: np.ndarray
    has_weight: bool = False

    def noted(self, batch: Weighted) -> Weighted:
        """Records the classes of a batch, and returns the batch."""
        _, labels, weights = batch
        if weights is None:
            weights = np.ones(len(labels))
        self.has_weight |= bool(weights.any() or not len(labels))
        if labels.ndim == 2:
            counts = weights if weights.ndim == 2 else weights[:, None]
            self.classes |= ((labels == 1) & (counts > 0)).any(axis=0)
            return batch
        labels = labels[weights > 0]
        classes = labels[(labels >= 0) & (labels < self.classes.size)]
        self.classes[classes.astype("int64")] = True
        return batch
