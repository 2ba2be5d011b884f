"""Base classes of the mappings from source classes to target classes."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_reprogram.configurable import Configurable
from keras_reprogram.configurable import positive_integer
from keras_reprogram.outputs.checks import check_samples
from keras_reprogram.outputs.cross_validation import Solution
from keras_reprogram.outputs.label_weights import Batch
from keras_reprogram.outputs.label_weights import check_weights
from keras_reprogram.outputs.label_weights import with_weights
from keras_reprogram.outputs.mappings.selection import check_capacity
from keras_reprogram.program_parts import INTEGER
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.typing import Tensor

Batches = Iterable[Batch]

UPDATE_UNITS = ("epoch", "step")
LARGEST_STATISTICS = 2**25  # in a program file


class MapShape(NamedTuple):
    """Numbers of classes of a label map.

    Attributes:
        num_sources: Integer. Source classes, `S`.
        num_classes: Integer. Target classes, `T`.
        sources_per_target: Integer. Number of source classes of a target class,
            for mappings that select some. Defaults to `1`.
    """

    num_sources: int
    num_classes: int
    sources_per_target: int = 1

    @property
    def matrix(self) -> tuple[int, int]:
        """Shape of the matrix, `(S, T)`."""
        return self.num_sources, self.num_classes


class Mapping(Configurable):
    """Base class: computes the matrix `[S, T]` of a `LabelMapper`.

    A mapping consists of settings and has no state: the matrix belongs to the
    `LabelMapper`.

    Attributes:
        update_every: Integer. Number of epochs or steps of training after
            which the matrix is solved again, or `None` for never.
        update_unit: String. `"epoch"` or `"step"`.
    """

    update_every: int | None = None
    update_unit: str = "epoch"

    @property
    def trainable(self) -> bool:
        """Whether the loss trains the matrix."""
        return False

    @property
    def has_bias(self) -> bool:
        """Whether the map is `logits @ matrix + bias`.

        Otherwise it is `outputs @ matrix`.
        """
        return False

    @property
    def needs_data(self) -> bool:
        """Whether `solve` reads samples."""
        return False

    @property
    def is_linear(self) -> bool:
        """Whether `apply` is a matrix product."""
        return True

    def solve(self, batches: Batches | None, shape: MapShape) -> Solution:
        """Solves the map before training.

        Args:
            batches: Iterable of tuples of the source's logits `[N, S]`, labels
                `[N]`, and optionally sample weights `[N]` or `None`; for binary
                targets, labels `[N, T]` and weights `[N]` or `[N, T]`. Not read
                unless `needs_data`.
            shape: A `MapShape`.

        Returns:
            A `Solution`: the matrix `[S, T]` and the bias `[T]`, float64
            arrays, and the `CrossValidation` by which a setting was chosen, if
            there is one.

        Raises:
            ValueError: If the mapping does not fit the shape or the samples.
        """
        raise NotImplementedError

    def num_selected(self, sources_per_target: int) -> int | None:
        """Returns the number of source classes whose mean is a target class.

        Their indices are stored instead of a matrix, which is large for many
        classes.

        Args:
            sources_per_target: Integer. As for `MapShape`.

        Returns:
            A number that is the same for all target classes, or `None` if only
            a matrix describes the map.
        """
        return None

    def check_shape(self, shape: MapShape) -> None:
        """Raises a `ValueError` for numbers of classes that do not fit.

        It raises in the same cases as `solve`, without solving.

        Args:
            shape: A `MapShape`.
        """

    def expected_variables(self, shape: MapShape) -> list[ExpectedVariable]:
        """Returns the variables of a `LabelMapper` with this mapping.

        Args:
            shape: A `MapShape`.

        Raises:
            ValueError: If the mapping does not fit the shape, or its statistics
                need too much memory.
        """
        self.check_shape(shape)
        num_selected = self.num_selected(shape.sources_per_target)
        if self.update_every is not None:
            # Beside a matrix of the file, or alone.
            factor = 2 if num_selected is None else 1
            check_size(shape.matrix, factor * LARGEST_STATISTICS)
        variables = [ExpectedVariable(shape.matrix)]
        if num_selected is not None:
            sizes = (shape.num_classes, num_selected)
            variables = [ExpectedVariable(sizes, INTEGER)]
        if self.has_bias:
            variables.append(ExpectedVariable((shape.num_classes,)))
        return variables

    def apply(self, outputs: Tensor, matrix: Tensor) -> Tensor:
        """Maps source outputs `[..., S]` to target outputs `[..., T]`."""
        return ops.matmul(outputs, matrix)


class SourceSelection(Mapping):
    """Base class: maps the mean of some source classes to each target class."""

    def check_shape(self, shape: MapShape) -> None:
        check_capacity(*shape)

    def num_selected(self, sources_per_target: int) -> int | None:
        return sources_per_target


class StatisticsMapping(Mapping):
    """Base class: a map that is solved from statistics `[S, T]` of samples.

    A subclass defines `contribution`, what a sample adds to the statistics,
    and `matrix`, the map that follows from their sum. Both are used for the
    pass over data before training and in training steps. A sample is counted by
    its weight in both: one of weight 2 as two samples. Class weights are thus
    another prior distribution of the target classes.
    """

    @property
    def needs_data(self) -> bool:
        return True

    def contribution(
        self, logits: Tensor, num_classes: int
    ) -> tuple[Tensor, Tensor]:
        """Returns the contribution of each sample to its label's column.

        Args:
            logits: Tensor `(N, S)`. The source's logits.
            num_classes: Integer. `T`.

        Returns:
            The source classes that count for each sample and their weights,
            both `(N, k)`. By default, the predicted class with a weight of 1.
        """
        sources = ops.expand_dims(ops.argmax(logits, axis=-1), -1)
        return sources, ops.ones_like(sources, dtype="float32")

    def matrix(
        self, statistics: np.ndarray, sources_per_target: int = 1
    ) -> np.ndarray:
        """Returns the matrix `[S, T]` that follows from the statistics.

        Args:
            statistics: Array `[S, T]` of finite numbers of at least 0.
            sources_per_target: Integer. As for `MapShape`. Defaults to `1`.
        """
        raise NotImplementedError

    def statistics(
        self,
        logits: np.ndarray,
        labels: np.ndarray,
        num_classes: int,
        sample_weight: np.ndarray | None = None,
    ) -> np.ndarray:
        """Returns the statistics of a batch, summed in float64.

        Args:
            logits: Array `[N, S]`. The source's logits.
            labels: Integer array `[N]` of target classes; or, for binary
                targets, an array `[N, T]` of 0, 1 and NaN, where a 1 counts.
            num_classes: Integer. `T`.
            sample_weight: Array `[N]` of weights of at least 0, by which
                samples are counted; for binary targets also `[N, T]`. Defaults
                to `None`, for a count of 1.

        Returns:
            A float64 array `[S, T]`.

        Raises:
            ValueError: If logits are not finite, or labels or weights are not
                valid.
        """
        logits, labels = check_samples(logits, labels, num_classes)
        contribution = self.contribution(
            ops.convert_to_tensor(logits), num_classes
        )
        sources, weights = map(ops.convert_to_numpy, contribution)
        if sample_weight is not None:
            counts = check_weights(sample_weight).reshape(len(logits), -1)
        else:
            counts = np.ones((len(logits), 1))
        shape = (logits.shape[1], num_classes)
        if labels.ndim == 2:
            sums: np.ndarray = np.zeros(shape)
            ones = np.nan_to_num(labels) * counts
            np.add.at(sums, sources, weights[:, :, None] * ones[:, None, :])
            return sums
        cells = sources.astype("int64") * num_classes + labels[:, None]
        counts = np.bincount(
            cells.ravel(),
            (weights * counts).ravel(),
            minlength=logits.shape[1] * num_classes,
        )
        return counts.reshape(shape)

    def solve(self, batches: Batches | None, shape: MapShape) -> Solution:
        statistics: np.ndarray = np.zeros(shape.matrix)
        for logits, labels, weights in with_weights(batches or ()):
            statistics += self.statistics(
                logits, labels, shape.num_classes, weights
            )
        matrix = self.matrix(statistics, shape.sources_per_target)
        return Solution(matrix, np.zeros(shape.num_classes))


class UpdatedMapping(StatisticsMapping):
    """Base class: a map that is solved again while the pattern is trained.

    Subclasses are frozen dataclasses with the fields `update_every` and
    `update_unit`, and call `check_updates` in `__post_init__`.
    """

    program_strings = {"update_unit": UPDATE_UNITS}

    def check_updates(self) -> None:
        every = positive_integer("update_every", self.update_every)
        self.set_fields(update_every=every)
        if self.update_unit not in UPDATE_UNITS:
            raise ValueError(
                '`update_unit` must be "epoch" or "step". Received: '
                f"update_unit={self.update_unit!r}"
            )
