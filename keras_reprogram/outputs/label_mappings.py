"""The ways to find a label map, as settings of a `LabelMapper`.

A method is at most two pure functions: what a batch contributes to the
statistics, on the device, and the matrix from the statistics, in NumPy.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import Configurable
from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.outputs import mappings
from keras_reprogram.outputs.logistic_regression import (
    cross_validated_regularization,
)
from keras_reprogram.outputs.logistic_regression import logistic_regression

Batches = Iterable[tuple[np.ndarray, np.ndarray]]


class Mapping(Configurable):
    """Base class: how the matrix `[source classes, target classes]` is found.

    Attributes:
        trainable: Whether the matrix is trained by the loss.
        has_bias: Whether the map is `logits @ matrix + bias`, and not
            `outputs @ matrix`.
        needs_data: Whether `solve` looks at data.
        update_every: After how many epochs or steps the matrix is solved
            again from the statistics of training, or `None` for never.
        update_unit: `"epoch"` or `"step"`.
    """

    trainable: ClassVar[bool] = False
    has_bias: ClassVar[bool] = False
    needs_data: ClassVar[bool] = False
    update_every: ClassVar[int | None] = None
    update_unit: ClassVar[str] = "epoch"

    def solve(
        self,
        batches: Batches | None,
        num_sources: int,
        num_classes: int,
        sources_per_target: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Finds the map before training.

        Args:
            batches: Pairs of the source's logits `[N, S]` and labels `[N]`;
                not read where `needs_data` is false.
            num_sources: `S`.
            num_classes: `T`.
            sources_per_target: Source classes of a target class, for the
                maps that have such a number.

        Returns:
            The matrix `[S, T]` and the bias `[T]`.
        """
        raise NotImplementedError

    def num_selected(self, sources_per_target: int) -> int | None:
        """How many source classes a target is the mean of, if nothing else.

        They are stored and looked up instead of a matrix, which is large
        where there are many classes.

        Args:
            sources_per_target: As for `solve`.

        Returns:
            A number that is the same for all targets, or `None` for a map
            that only a matrix can tell.
        """
        return None

    def apply(self, outputs: Any, matrix: Any) -> Any:
        """From the source's outputs `[N, S]` to the target's `[N, T]`."""
        return ops.matmul(outputs, matrix)


class SourceSelection(Mapping):
    """Base class: a target is the mean of source classes that are its own."""

    def num_selected(self, sources_per_target: int) -> int | None:
        return sources_per_target


@serializable
@dataclasses.dataclass(frozen=True)
class IdentityMapping(SourceSelection):
    """Target class `t` is source class `t`, or the `t`-th block of them.

    References:
        - [Adversarial Reprogramming](https://arxiv.org/abs/1806.11146)
    """

    def solve(self, batches, num_sources, num_classes, sources_per_target):
        matrix = mappings.identity_mapping(
            num_sources, num_classes, sources_per_target
        )
        return matrix, np.zeros(num_classes)


@serializable
@dataclasses.dataclass(frozen=True)
class RandomMapping(SourceSelection):
    """Source classes drawn at random, the same ones for the same seed.

    Args:
        seed: Seed of the draw.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        self.set_fields(seed=check_seed(self.seed))

    def solve(self, batches, num_sources, num_classes, sources_per_target):
        matrix = mappings.random_mapping(
            num_sources, num_classes, sources_per_target, self.seed
        )
        return matrix, np.zeros(num_classes)


@serializable
@dataclasses.dataclass(frozen=True)
class FixedMapping(Mapping):
    """A hand-written map: either a matrix or groups of source classes.

    Args:
        matrix: An array `[S, T]`.
        groups: For every target class, the list of its source classes:
            `[[281, 282, 285], [151, 207]]` for cats and dogs.
    """

    matrix: Any = None
    groups: Any = None

    def __post_init__(self) -> None:
        if (self.matrix is None) == (self.groups is None):
            raise ValueError(
                "A fixed mapping takes a `matrix` or `groups`. Received: "
                f"matrix={self.matrix!r}, groups={self.groups!r}"
            )
        if self.groups is not None and not all(
            isinstance(group, (list, tuple))
            and None not in (sources := [integer(item) for item in group])
            and len(set(sources)) == len(sources)
            for group in self.groups
        ):
            raise ValueError(
                "`groups` must hold, for every target class, the list of its "
                "source classes, each of them once; a matrix must be a NumPy "
                f"array. Received: groups={self.groups!r}"
            )
        # As nested lists, the fields are the config.
        if self.groups is not None:
            groups = [
                [int(source) for source in group] for group in self.groups
            ]
            self.set_fields(groups=groups)
        if self.matrix is not None:
            matrix = np.asarray(self.matrix)
            if matrix.dtype.kind not in "biuf":
                raise ValueError(
                    "`matrix` must hold numbers. Received: a matrix of dtype "
                    f"{matrix.dtype}"
                )
            self.set_fields(matrix=matrix.astype("float64").tolist())

    def solve(self, batches, num_sources, num_classes, sources_per_target):
        if self.groups is not None:
            matrix = mappings.fixed_mapping(self.groups, num_sources)
        else:
            matrix = np.asarray(self.matrix)
        if matrix.shape != (num_sources, num_classes):
            raise ValueError(
                "`mapping` must be a matrix of shape [source classes, target "
                f"classes] = [{num_sources}, {num_classes}]. Received: a "
                f"matrix of shape {list(matrix.shape)}"
            )
        if not np.isfinite(matrix).all():
            raise ValueError(
                "`mapping` must be finite. Received: a matrix with NaN or "
                "infinity"
            )
        return matrix, np.zeros(num_classes)

    def num_selected(self, sources_per_target: int) -> int | None:
        if self.groups is not None:
            counts = np.array([len(group) for group in self.groups])
            return int(counts[0]) if np.ptp(counts) == 0 else None
        matrix = np.asarray(self.matrix)
        counts = np.count_nonzero(matrix, axis=0)
        alike = np.where(matrix != 0, 1.0 / np.maximum(counts, 1), 0.0)
        if counts[0] and np.ptp(counts) == 0 and np.allclose(matrix, alike):
            return int(counts[0])
        return None


class StatisticsMapping(Mapping):
    """Base class: a map solved from statistics `[S, T]` of the data."""

    needs_data: ClassVar[bool] = True

    def statistics(
        self, logits: np.ndarray, labels: np.ndarray, num_classes: int
    ) -> np.ndarray:
        """What a batch contributes, in NumPy: for a pass over data."""
        return mappings.count_statistics(logits, labels, num_classes)

    def contribution(self, logits: Any, num_classes: int) -> tuple[Any, Any]:
        """What a batch contributes, on the device: in the training step.

        Returns:
            The source classes that count for each sample, and the weight of
            each, both `[N, k]`.
        """
        sources = ops.argmax(logits, axis=-1)[:, None]
        return sources, ops.ones_like(sources, dtype="float32")

    def matrix(
        self, statistics: np.ndarray, sources_per_target: int
    ) -> np.ndarray:
        """The map from the statistics."""
        return mappings.frequency_mapping(statistics, sources_per_target)

    def solve(self, batches, num_sources, num_classes, sources_per_target):
        statistics = np.zeros((num_sources, num_classes))
        for logits, labels in batches:
            statistics += self.statistics(logits, labels, num_classes)
        matrix = self.matrix(statistics, sources_per_target)
        return matrix, np.zeros(num_classes)


@serializable
@dataclasses.dataclass(frozen=True)
class FrequencyMapping(SourceSelection, StatisticsMapping):
    """FLM: the source classes predicted most often, before training.

    References:
        - [Black-box Adversarial Reprogramming](https://arxiv.org/abs/2007.08714)
    """


@dataclasses.dataclass(frozen=True)
class UpdatedMapping(StatisticsMapping):
    """Base class: a map solved again and again while the program learns."""

    update_every: int = 1
    update_unit: str = "epoch"

    def __post_init__(self) -> None:
        self.set_fields(
            update_every=positive_integer("update_every", self.update_every)
        )
        if self.update_unit not in ("epoch", "step"):
            raise ValueError(
                '`update_unit` must be "epoch" or "step". Received: '
                f"update_unit={self.update_unit!r}"
            )


@serializable
@dataclasses.dataclass(frozen=True)
class IterativeMapping(SourceSelection, UpdatedMapping):
    """ILM: the frequency map, solved again at the end of every epoch.

    Args:
        update_every: Number of epochs or steps between two solutions.
        update_unit: `"epoch"` or `"step"`.

    References:
        - [ILM-VP](https://arxiv.org/abs/2211.11635)
    """


@serializable
@dataclasses.dataclass(frozen=True)
class BayesianMapping(UpdatedMapping):
    """BLM: every source class weighed by Bayes' rule.

    Args:
        update_every: Number of epochs or steps between two solutions.
        update_unit: `"epoch"` or `"step"`.
        smoothing: Laplace smoothing of the counts.

    References:
        - [Bayesian-guided label mapping](https://arxiv.org/abs/2410.24018)
    """

    smoothing: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.set_fields(smoothing=number("smoothing", self.smoothing, 0.0))

    def matrix(
        self, statistics: np.ndarray, sources_per_target: int
    ) -> np.ndarray:
        return mappings.bayesian_mapping(statistics, self.smoothing)


@serializable
@dataclasses.dataclass(frozen=True)
class BayesianPlusMapping(BayesianMapping):
    """BLM+: as BLM, from the `top_k` largest probabilities of each sample.

    Args:
        update_every: Number of epochs or steps between two solutions.
        update_unit: `"epoch"` or `"step"`.
        smoothing: Laplace smoothing of the sums.
        top_k: Source classes that count for a sample. Defaults to the
            paper's 15 % of the number of target classes, and at least 1.

    References:
        - [Bayesian-guided label mapping](https://arxiv.org/abs/2410.24018)
    """

    top_k: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.top_k is not None:
            self.set_fields(top_k=positive_integer("top_k", self.top_k))

    def count(self, num_sources: int, num_classes: int) -> int:
        wanted = self.top_k or int(0.15 * num_classes)
        return min(max(wanted, 1), num_sources)

    def statistics(
        self, logits: np.ndarray, labels: np.ndarray, num_classes: int
    ) -> np.ndarray:
        count = self.count(logits.shape[1], num_classes)
        return mappings.top_k_statistics(logits, labels, num_classes, count)

    def contribution(self, logits: Any, num_classes: int) -> tuple[Any, Any]:
        count = self.count(logits.shape[-1], num_classes)
        probabilities = ops.softmax(ops.cast(logits, "float32"), axis=-1)
        weights, sources = ops.top_k(probabilities, count)
        return sources, weights


@serializable
@dataclasses.dataclass(frozen=True)
class LinearMapping(Mapping):
    """A matrix and a bias, trained by the loss or kept as they start.

    Kept, the program alone has to learn what the map cannot say: with few
    samples that is less to learn by heart.

    Args:
        initial: Where training starts: `"logistic_regression"`, solved on the
            source's logits, or any other mapping: its name, a matrix, groups,
            or itself.
        regularization: L2 penalty of the logistic regression, greater than 0,
            in units of the mean variance of the source's outputs, so that it
            does not depend on their unit; or `"cross_validation"`, which
            chooses one between 0.01 and 10 on samples left out: worth it where
            these are few. A strong one leaves the program something to learn.
        trainable: Whether the loss trains the map, after its start.

    References:
        - [AutoVP](https://arxiv.org/abs/2310.08381)
    """

    initial: Any = "logistic_regression"
    regularization: float | str = 0.1
    trainable: bool = True
    has_bias: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.is_regression:
            self.set_fields(initial=get(self.initial))
        if self.regularization != "cross_validation":
            penalty = number("regularization", self.regularization, 1e-30)
            self.set_fields(regularization=penalty)
        self.set_fields(trainable=boolean("trainable", self.trainable))

    @property
    def is_regression(self) -> bool:
        return isinstance(self.initial, str) and (
            self.initial == "logistic_regression"
        )

    @property
    def needs_data(self) -> bool:
        return self.is_regression or self.initial.needs_data

    def solve(self, batches, num_sources, num_classes, sources_per_target):
        if not self.is_regression:
            return self.initial.solve(
                batches, num_sources, num_classes, sources_per_target
            )
        logits, labels = zip(
            *(
                mappings.check_samples(logits, labels, num_classes)
                for logits, labels in batches
            )
        )
        samples = np.concatenate(logits), np.concatenate(labels), num_classes
        penalty = self.regularization
        if penalty == "cross_validation":
            penalty = cross_validated_regularization(*samples)
        return logistic_regression(*samples, penalty)

    def get_config(self) -> dict[str, Any]:
        initial = keras.saving.serialize_keras_object(self.initial)
        return {**super().get_config(), "initial": initial}


LABEL_MAPPINGS = {
    "identity": IdentityMapping,
    "random": RandomMapping,
    "frequency": FrequencyMapping,
    "iterative": IterativeMapping,
    "bayesian": BayesianMapping,
    "bayesian_plus": BayesianPlusMapping,
    "linear": LinearMapping,
}


def get(identifier: Any) -> Mapping:
    """Returns a mapping from its name, its config, a matrix or itself."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, str) and identifier in LABEL_MAPPINGS:
        return LABEL_MAPPINGS[identifier]()
    if isinstance(identifier, Mapping):
        return identifier
    if isinstance(identifier, np.ndarray):
        return FixedMapping(matrix=identifier)
    if isinstance(identifier, (list, tuple)):
        return FixedMapping(groups=identifier)
    raise ValueError(
        f"`mapping` must be one of {sorted(LABEL_MAPPINGS)}, a "
        "`keras_reprogram.outputs.Mapping`, a matrix, or a list of source "
        f"classes for every target class. Received: {identifier!r}"
    )
