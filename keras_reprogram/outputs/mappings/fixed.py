"""Mappings that do not depend on data: identity, random and hand-written."""

import dataclasses
from typing import Any

import numpy as np

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import serializable
from keras_reprogram.outputs.cross_validation import Solution
from keras_reprogram.outputs.mappings.mapping import Batches
from keras_reprogram.outputs.mappings.mapping import Mapping
from keras_reprogram.outputs.mappings.mapping import MapShape
from keras_reprogram.outputs.mappings.mapping import SourceSelection
from keras_reprogram.outputs.mappings.selection import select_blocks


@serializable
@dataclasses.dataclass(frozen=True)
class IdentityMapping(SourceSelection):
    """Maps source class `t`, or the `t`-th block of them, to target class `t`.

    References:
        - [Adversarial Reprogramming](https://arxiv.org/abs/1806.11146)
    """

    def solve(self, batches: Batches | None, shape: MapShape) -> Solution:
        order = np.arange(shape.num_sources)
        matrix = select_blocks(
            order, shape.num_classes, shape.sources_per_target
        )
        return Solution(matrix, np.zeros(shape.num_classes))


@serializable
@dataclasses.dataclass(frozen=True)
class RandomMapping(SourceSelection):
    """Maps source classes drawn at random without replacement.

    Args:
        seed: Integer. Seed of the draw. Defaults to `0`.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        self.set_fields(seed=check_seed(self.seed))

    def solve(self, batches: Batches | None, shape: MapShape) -> Solution:
        generator = np.random.default_rng(self.seed)
        matrix = select_blocks(
            generator.permutation(shape.num_sources),
            shape.num_classes,
            shape.sources_per_target,
        )
        return Solution(matrix, np.zeros(shape.num_classes))


@serializable
@dataclasses.dataclass(frozen=True)
class FixedMapping(Mapping):
    """A hand-written map: either a matrix or groups of source classes.

    Args:
        matrix: Array `[S, T]`. Defaults to `None`.
        groups: For every target class, the list of its source classes:
            `[[281, 282, 285], [151, 207]]` for cats and dogs. Defaults to
            `None`.
    """

    matrix: Any = None
    groups: Any = None

    def __post_init__(self) -> None:
        if (self.matrix is None) == (self.groups is None):
            raise ValueError(
                "A fixed mapping takes a `matrix` or `groups`. Received: "
                f"matrix={self.matrix!r}, groups={self.groups!r}"
            )
        # Nested lists, because the fields are the config.
        if self.groups is not None:
            self.set_fields(groups=checked_groups(self.groups))
            return
        matrix = np.asarray(self.matrix)
        if matrix.dtype.kind not in "biuf":
            raise ValueError(
                "`matrix` must hold numbers. Received: a matrix of dtype "
                f"{matrix.dtype}"
            )
        self.set_fields(matrix=matrix.astype("float64").tolist())

    def check_shape(self, shape: MapShape) -> None:
        if self.groups is not None:
            check_groups(self.groups, shape.num_sources)
            received = (shape.num_sources, len(self.groups))
        else:
            received = np.shape(self.matrix)
        if received != shape.matrix:
            raise ValueError(
                "`mapping` must be a matrix of shape [source classes, target "
                f"classes] = {list(shape.matrix)}. Received: a "
                f"matrix of shape {list(received)}"
            )

    def solve(self, batches: Batches | None, shape: MapShape) -> Solution:
        self.check_shape(shape)
        if self.groups is not None:
            matrix = means_of_groups(self.groups, shape.num_sources)
        else:
            matrix = np.asarray(self.matrix)
        if not np.isfinite(matrix).all():
            raise ValueError(
                "`mapping` must be finite. Received: a matrix with NaN or "
                "infinity"
            )
        return Solution(matrix, np.zeros(shape.num_classes))

    def num_selected(self, sources_per_target: int) -> int | None:
        if self.groups is not None:
            counts = np.array([len(group) for group in self.groups])
            return int(counts[0]) if np.ptp(counts) == 0 else None
        matrix = np.asarray(self.matrix)
        counts = np.count_nonzero(matrix, axis=0)
        means = np.where(matrix != 0, 1.0 / np.maximum(counts, 1), 0.0)
        if counts[0] and np.ptp(counts) == 0 and np.allclose(matrix, means):
            return int(counts[0])
        return None


def checked_groups(groups: object) -> list[list[int]]:
    """Returns groups of source classes as lists, or raises a `ValueError`."""
    lists: list[list[int]] = []
    for group in groups if isinstance(groups, (list, tuple)) else [None]:
        items = group if isinstance(group, (list, tuple)) else [None]
        sources = [
            source for item in items if (source := integer(item)) is not None
        ]
        if len(sources) != len(items) or len(set(sources)) != len(sources):
            raise ValueError(
                "`groups` must hold, for every target class, the list of its "
                "source classes, each of them once; a matrix must be a NumPy "
                f"array. Received: groups={groups!r}"
            )
        lists.append(sources)
    return lists


def check_groups(groups: list[list[int]], num_sources: int) -> None:
    """Raises a `ValueError` for source classes that do not exist."""
    for target, group in enumerate(groups):
        if not group or not 0 <= min(group) <= max(group) < num_sources:
            raise ValueError(
                "Every target class needs source classes between 0 and "
                f"{num_sources - 1}. Received: {group} for class {target}"
            )


def means_of_groups(groups: list[list[int]], num_sources: int) -> np.ndarray:
    """Returns the matrix `[S, T]` whose target classes are means of groups.

    Args:
        groups: List. For every target class, the indices of its source classes.
        num_sources: Integer. `S`.

    Returns:
        A float64 array whose columns sum to 1.
    """
    check_groups(groups, num_sources)
    matrix = np.zeros((num_sources, len(groups)))
    for target, group in enumerate(groups):
        matrix[np.asarray(group, "int64"), target] = 1.0 / len(group)
    return matrix
