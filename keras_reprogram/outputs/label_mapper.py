"""From the source's outputs to the target's."""

import itertools
import threading
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
from keras_reprogram.dtypes import comparable
from keras_reprogram.dtypes import is_float
from keras_reprogram.keras_internals import entry_layer
from keras_reprogram.keras_internals import in_stateless_scope
from keras_reprogram.outputs import label_mappings
from keras_reprogram.outputs import mappings
from keras_reprogram.outputs import reading
from keras_reprogram.outputs import targets
from keras_reprogram.outputs.label_mappings import Mapping
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.replicas import summed_over_replicas
from keras_reprogram.sources.specification import SourceSpecification

LARGEST_MAP = 2**28  # numbers of a matrix, 1 GiB


class Waiting:
    """The logits of a training step, from the outputs to the labels."""

    logits: Any = None
    is_step: bool = False


class StepLogits(threading.local, Waiting):
    """The same for replicas that are threads, as those of TensorFlow are.

    PyTorch cannot compile what writes to a thread's own attributes.
    """


IS_THREADED = keras.config.backend() == "tensorflow"


@serializable
class LabelMapper(OutputMapping):
    """Maps source classes to target classes by one matrix.

    ```
    outputs = source_outputs @ matrix         # [N, S] @ [S, T]
    ```

    Where a target class is the mean of some source classes, these are stored
    and looked up instead of the matrix.

    Where the source has outputs at every step of a sequence or at every pixel
    of an image, `[N, ..., S]`, each of them is mapped: tagging, infilling,
    segmentation.

    Probabilities of a sigmoid are read as what they say of both sides: a
    source with one sigmoid output `p` has the two classes `[1 - p, p]`, and
    of several sigmoids each is read as its logit, `log p - log(1 - p)`.

    A map that is found from data and has seen none raises a `ValueError` when
    it is called. It is found by `ReprogrammedModel.fit` or `adapt`, not by
    the training of a model around that one.

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
        mapping: A name from the table, a `keras_reprogram.outputs.Mapping`, a
            matrix `[S, T]`, or a list of source classes for every target.
        sources_per_target: Source classes of a target class in the identity,
            random, frequency, iterative and similarity maps. The target's
            output is their mean.
        from_logits: Whether the source returns logits, not probabilities.
            Left out, `ReprogrammedModel` takes it from the source, and a
            mapper used by itself expects logits. A linear map acts on the
            logarithm of probabilities; so do statistics of them.
            `returns_logits` tells whether the mapper's own outputs are
            logits, which is what a loss needs to know.
        multi_label: Whether the `T` targets are binary and independent:
            labels are then 0 or 1 of shape `(batch, T)`, and the loss is
            `keras_reprogram.losses.MaskedBinaryCrossentropy` or Keras's own
            binary cross-entropy. Statistics count the ones, and
            `keras_reprogram.metrics` has metrics that leave NaN out.
        source_activation: `"linear"`, `"softmax"` or `"sigmoid"`: what makes
            the source's outputs. Left out, it follows from the source and
            `from_logits`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: The source's outputs, of shape `(batch, S)`, or `(batch, ...,
            S)` for one at every position. Labels are then of shape `(batch,
            ...)`; -1 marks a position without one, for which the loss needs
            `ignore_class=-1`.

    Returns:
        A tensor of shape `(batch, ..., T)`, of float32 at least. A linear map
        returns logits. The others return logits where the source returns
        logits or several sigmoids, and probabilities up to a factor where it
        returns those.

    Raises:
        ValueError: If the mapping does not fit the numbers of classes, or
            the source returns one number, which is no class.

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
        source_activation: str | None = None,
        **kwargs: Any,
    ) -> None:
        # Values of float32 are not cast down before they are read.
        super().__init__(**{"autocast": False, **kwargs})
        self.num_classes = positive_integer("num_classes", num_classes)
        self.mapping: Mapping = label_mappings.get(mapping)
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
        self.source_activation = reading.check_activation(
            source_activation, from_logits
        )
        self.num_outputs: int | None = None
        # Epochs, or steps, since the map was last solved in `fit`.
        self.steps_since_solve: int | None = None
        # A step's logits wait for its labels.
        self.waiting = StepLogits() if IS_THREADED else Waiting()

    @property
    def updates_statistics(self) -> bool:
        return self.mapping.update_every is not None

    @property
    def needs_data(self) -> bool:
        return self.mapping.needs_data

    def accept(self, specification: SourceSpecification) -> None:
        self.source_activation = reading.resolve(
            self.source_activation,
            self.from_logits,
            specification.activation,
            specification.num_classes,
        )
        self.from_logits = self.source_activation == "linear"

    @property
    def activation(self) -> str:
        """What makes the source's outputs."""
        found = reading.resolve(
            self.source_activation, self.from_logits, "linear", self.num_outputs
        )
        # A binary target is what one sigmoid says already.
        if self.multi_label and reading.is_one_sigmoid(found, self.num_outputs):
            return "sigmoids"
        return found

    @property
    def reads_probabilities(self) -> bool:
        """Whether source classes have probabilities, and not logits."""
        return reading.gives_probabilities(self.activation, self.num_outputs)

    @property
    def returns_logits(self) -> bool:
        """Whether the outputs are logits, and not probabilities."""
        return self.mapping.has_bias or not self.reads_probabilities

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                "A label map needs a source with an axis of classes: outputs "
                "of shape (batch, ..., classes). Received: "
                f"{tuple(input_shape)}"
            )
        self.num_outputs = input_shape[-1]
        if self.num_outputs == 1 and self.activation == "linear":
            raise ValueError(
                "One number is not a class that could be mapped to others: "
                "use `keras_reprogram.outputs.RegressionHead` for a number, or "
                'pass `source_activation="sigmoid"` if it is the probability '
                "of a class. Received: a source with one linear output"
            )
        self.num_sources = reading.num_read(self.activation, self.num_outputs)
        self.num_position_axes = len(input_shape) - 2
        self.position_sizes = tuple(input_shape[1:-1])
        if self.num_sources * self.num_classes > LARGEST_MAP:
            raise ValueError(
                f"A map from {self.num_sources} source classes to "
                f"{self.num_classes} target classes has more than "
                f"{LARGEST_MAP} numbers: use fewer target classes, or a "
                "source of fewer outputs. Received: num_classes="
                f"{self.num_classes}"
            )
        self.input_spec = keras.layers.InputSpec(
            ndim=len(input_shape), axes={-1: self.num_outputs}
        )
        shape = (self.num_sources, self.num_classes)
        matrix, bias = np.zeros(shape), np.zeros(self.num_classes)
        if not self.mapping.needs_data:
            matrix, bias = self.mapping.solve(
                None, *shape, self.sources_per_target
            )
        elif isinstance(self.mapping, label_mappings.StatisticsMapping):
            # Solving from nothing shows now whether the numbers fit.
            self.mapping.matrix(matrix, self.sources_per_target)
        num_selected = self.mapping.num_selected(self.sources_per_target)
        self.dense = self.sources = None
        if num_selected is None:
            self.dense = self.add_weight(
                name="matrix",
                shape=shape,
                initializer=constant(matrix),
                trainable=self.mapping.trainable,
            )
        else:
            sources = np.zeros((self.num_classes, num_selected))
            if not self.mapping.needs_data:
                sources = mappings.selected_sources(matrix)
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
        if self.updates_statistics:
            self.statistics = self.add_weight(
                name="statistics",
                shape=shape,
                dtype="float32",
                initializer="zeros",
                trainable=False,
                aggregation="mean",  # Replicas hold the same sums.
            )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        inputs = ops.cast(inputs, self.full_dtype)
        updates_statistics = training and self.updates_statistics
        entry = entry_layer(self)
        # By itself a mapper may gather before it is solved for the first time.
        if not (
            updates_statistics and entry is self and not in_stateless_scope()
        ):
            self.require_solved()
        if updates_statistics:
            self.check_updated_by(entry)
            # The labels of a step arrive after its outputs, in its loss.
            logits = reading.read_logits(inputs, self.activation)
            self.waiting.logits = ops.stop_gradient(
                ops.reshape(logits, (-1, self.num_sources))
            )
        if self.mapping.has_bias:
            logits = reading.read_logits(inputs, self.activation)
            return ops.add(ops.matmul(logits, self.dense), self.bias)
        outputs = reading.read(inputs, self.activation)
        if self.sources is None:
            outputs = self.mapping.apply(outputs, self.dense)
        else:
            chosen = ops.take(outputs, self.sources, axis=-1)
            outputs = ops.mean(chosen, axis=-1)
        if self.reads_probabilities:
            # Losses divide by the sum, which would be zero where the source is
            # certain of a class that no target has.
            outputs = ops.add(outputs, reading.SMALLEST_PROBABILITY)
        return outputs

    def begin_step(self) -> None:
        self.waiting.is_step = True

    def end_step(self) -> None:
        # What a traced step keeps of itself would outlive its trace.
        self.waiting.logits, self.waiting.is_step = None, False

    def check_updated_by(self, model: keras.layers.Layer | None) -> None:
        """Raises in the training of a model that does not update the map.

        Args:
            model: The outermost layer of the call: the model that is trained,
                or the mapper itself. On JAX a model is traced from within,
                and is not among the layers that are called.
        """
        by_hand = not in_stateless_scope() and (
            model in (None, self)
            or getattr(model, "label_mapper", None) is self
        )
        if not self.waiting.is_step and not by_hand:
            raise ValueError(
                f"The label map `{type(self.mapping).__name__}` is solved "
                "again while its `ReprogrammedModel` is trained, and a model "
                "around it or a clone of it does not do that: fit the "
                "`ReprogrammedModel` itself, or use a map that is not "
                'updated, such as "frequency". Received: the training of '
                f"a {type(model).__name__}"
            )

    @property
    def matrix(self) -> Any:
        """The map as a matrix `[S, T]`, however it is stored."""
        if self.sources is None:
            return self.dense
        chosen = ops.one_hot(self.sources, self.num_sources)
        return ops.transpose(ops.mean(chosen, axis=1))

    def update_statistics(
        self, labels: Any, ignored: int | None = None
    ) -> None:
        """Adds the training step's samples to the statistics, on the device.

        Every sample counts once, whatever its weight in the loss.

        Args:
            labels: Integer tensor `[N, ...]` or `[N, ..., 1]`, of the samples
                with which the layer was last called in training; or one-hot
                ones `[N, ..., T]`, which count for their largest; `[N, ...,
                T]` where targets are binary. A label outside `[0,
                num_classes)` is not counted, nor is a one-hot label of zeros.
            ignored: An integer label that is not counted either.
        """
        logits, self.waiting.logits = self.waiting.logits, None
        sources, weights = self.mapping.contribution(logits, self.num_classes)
        if self.multi_label:
            self.update_binary_statistics(sources, weights, labels)
            return
        labels = self.integers(labels)
        valid = ops.logical_and(labels >= 0, labels < self.num_classes)
        if ignored is not None:
            valid = ops.logical_and(valid, ops.not_equal(labels, ignored))
        weights = ops.where(valid, weights, ops.zeros_like(weights))
        cells = ops.cast(sources, "int32") * self.num_classes + labels
        cells = ops.where(valid, cells, ops.zeros_like(cells))
        sums = ops.segment_sum(
            ops.reshape(weights, (-1,)),
            ops.reshape(cells, (-1,)),
            num_segments=self.num_sources * self.num_classes,
        )
        self.count(ops.reshape(sums, self.statistics.shape))

    def integers(self, labels: Any) -> Any:
        """Labels as integers `[M, 1]`, -1 for a one-hot label of zeros."""
        if (
            len(labels.shape) == self.num_position_axes + 2
            and labels.shape[-1] != 1
        ):
            classes = ops.cast(ops.argmax(labels, axis=-1), "int32")
            given = ops.greater(ops.max(labels, axis=-1), 0)
            labels = ops.where(given, classes, -ops.ones_like(classes))
        return ops.cast(ops.reshape(labels, (-1, 1)), "int32")

    def update_binary_statistics(
        self, sources: Any, weights: Any, labels: Any
    ) -> None:
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

        Warns where a class has no sample.
        """
        seen = np.zeros(self.num_classes, bool)
        batches = (
            self.noted(seen, *self.labeled_logits(*batch)) for batch in batches
        )
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
        missing = np.flatnonzero(~seen)
        if missing.size:
            warnings.warn(
                f"{missing.size} of {self.num_classes} target classes had no "
                "sample in the data from which the label map was found, "
                f"first {missing[:10].tolist()}: shuffle the data, or look at "
                "more of them by `adapt`.",
                stacklevel=2,
            )

    def noted(
        self, seen: np.ndarray, logits: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The batch as it is; its classes are noted in `seen`."""
        if labels.ndim == 2:
            seen |= (labels == 1).any(axis=0)
        else:
            found = np.asarray(labels)
            found = found[(found >= 0) & (found < self.num_classes)]
            seen[found.astype("int64")] = True
        return logits, labels

    def labeled_logits(
        self, outputs: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The logits `[M, S]` and labels of all positions that have one."""
        outputs = reading.read_logits_of_array(outputs, self.activation)
        if outputs.ndim > 2:
            outputs = outputs.reshape(-1, outputs.shape[-1])
            axis = (labels.shape[-1],) if self.multi_label else ()
            labels = labels.reshape(-1, *axis)
        if not self.multi_label:
            labels = np.asarray(labels)
            known = labels != targets.IGNORED
            if self.num_position_axes:
                known &= labels != targets.NO_LABEL
            outputs, labels = outputs[known], labels[known]
        return outputs, labels

    def check_target_shape(self, shape: tuple, sparse: bool) -> None:
        if self.multi_label:
            targets.check_binary_shape(
                shape, self.num_classes, self.num_position_axes
            )
        elif sparse:
            targets.check_sparse_shape(shape, self.position_sizes)

    def check_targets(
        self, labels: np.ndarray, sparse: bool, ignored: int | None = None
    ) -> None:
        targets.check_kind(labels)
        if self.multi_label:
            targets.check_binary(
                labels, self.num_classes, self.num_position_axes
            )
        elif sparse:
            if self.num_position_axes and ignored != targets.NO_LABEL:
                targets.check_all_labeled(labels)
            targets.check_sparse(
                labels, self.num_classes, self.position_sizes, ignored
            )

    def valid(
        self, labels: Any, sparse: bool, ignored: int | None = None
    ) -> Any:
        if not (sparse or self.multi_label):
            return None
        if not is_float(labels):
            labels = comparable(labels)
        if self.multi_label:
            unknown = ops.not_equal(labels, labels)  # NaN
            known = ops.logical_or(ops.equal(labels, 0), ops.equal(labels, 1))
            return ops.logical_or(known, unknown)
        valid = ops.logical_and(labels >= 0, labels < self.num_classes)
        if is_float(labels):
            whole = ops.equal(labels, ops.floor(labels))
            valid = ops.logical_and(valid, whole)
        if ignored is not None:
            valid = ops.logical_or(valid, ops.equal(labels, ignored))
        return valid

    @property
    def valid_values(self) -> str:
        if self.multi_label:
            return "0, 1, or NaN where a label is not known"
        return f"integers from 0 to {self.num_classes - 1}"

    def standardize_labels(
        self, labels: np.ndarray, sparse: bool, ignored: int | None = None
    ) -> np.ndarray:
        """Labels as a mapping is solved from: integers, or binary targets.

        A label that is `ignored` becomes `targets.IGNORED`.
        """
        targets.check_kind(labels)
        if self.multi_label:
            self.check_target_shape(labels.shape, sparse)
            return labels
        one_hot = labels.ndim == self.num_position_axes + 2
        if one_hot and not sparse:
            labels = targets.one_hot_to_sparse(labels, self.num_classes)
        targets.check_sparse(
            labels, self.num_classes, self.position_sizes, ignored
        )
        labels = labels.reshape(labels.shape[: self.num_position_axes + 1])
        if ignored is None:
            return labels
        labels = labels.astype("int64")
        return np.where(labels == ignored, targets.IGNORED, labels)

    def assign(
        self, matrix: np.ndarray, bias: np.ndarray | None = None
    ) -> None:
        if self.sources is None:
            self.dense.assign(matrix.astype("float32"))
        else:
            self.sources.assign(mappings.selected_sources(matrix))
        if self.bias is not None:
            self.bias.assign(bias.astype("float32"))
        self.is_solved.assign(1)
        self.was_solved = True

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
                "data and has seen none: call `adapt` on the "
                "`ReprogrammedModel` with training data, or `fit`, which does "
                "so by itself. `fit` of a model around it, or of a clone, "
                "does not. Received: a label map without statistics"
            )

    @property
    def learned_variables(self) -> list[keras.Variable]:
        variables = [self.sources, self.dense, self.bias]
        return [variable for variable in variables if variable is not None]

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.num_classes)

    def compute_output_spec(
        self, inputs: Any, training: bool | None = None
    ) -> keras.KerasTensor:
        shape = self.compute_output_shape(tuple(inputs.shape))
        return keras.KerasTensor(shape, self.full_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "mapping": keras.saving.serialize_keras_object(self.mapping),
            "sources_per_target": self.sources_per_target,
            "from_logits": self.from_logits,
            "multi_label": self.multi_label,
            "source_activation": self.source_activation,
        }
