"""Weights of samples and of classes, as weights of labels."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_reprogram.configurable import integer
from keras_reprogram.outputs.targets import BinaryTargets
from keras_reprogram.outputs.targets import ClassTargets
from keras_reprogram.outputs.targets import Targets
from keras_reprogram.typing import FixedShape

BALANCED = "balanced"

# What `class_weight` may be: weights of classes, or `"balanced"`.
ClassWeight = dict[int, float] | str | None
# Outputs, labels and weights that are left out, `None`, or one for each label.
Batch = tuple[Any, np.ndarray] | tuple[Any, np.ndarray, np.ndarray | None]
Weighted = tuple[Any, np.ndarray, np.ndarray | None]


def with_weights(batches: Iterable[Batch]) -> Iterable[Weighted]:
    """Yields batches as triples, with `None` for weights that are left out."""
    for outputs, labels, *weights in batches:
        yield outputs, labels, weights[0] if weights else None


def check_weights(weights: object, name: str = "sample_weight") -> np.ndarray:
    """Returns finite weights of at least 0, or raises a `ValueError`."""
    array: np.ndarray = np.asarray(weights)
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"`{name}` must be numbers. Received: {name} of dtype {array.dtype}"
        )
    array = array.astype("float64")
    valid = np.isfinite(array) & (array >= 0)
    if not valid.all():
        raise ValueError(
            f"`{name}` must be finite and at least 0. Received: a weight of "
            f"{array[~valid].flat[0]}"
        )
    return array


def weights_of_shape(weights: object, shape: FixedShape) -> np.ndarray:
    """Returns one weight for each item of a shape.

    Args:
        weights: Array of weights of the first axes of the shape. A last axis
            of 1 may follow them.
        shape: Tuple. Number of samples, and sizes of the axes of positions.

    Raises:
        ValueError: If a weight is not valid, or the shape does not fit.
    """
    array = check_weights(weights)
    received = array.shape
    if (
        array.ndim > 1
        and array.shape[-1] == 1
        and shape[array.ndim - 1 :] != (1,)
    ):
        array = array[..., 0]
    axes = array.ndim
    if not axes or array.shape != shape[:axes]:
        raise ValueError(
            "`sample_weight` must hold one weight for each sample, or for each "
            f"label. Received: weights of shape {received} for labels "
            f"of shape {shape}"
        )
    array = array.reshape(array.shape + (1,) * (len(shape) - axes))
    return np.broadcast_to(array, shape)


@dataclasses.dataclass(frozen=True, eq=False)
class ClassWeights:
    """A weight for every class, or for the zeros and ones of binary targets.

    Args:
        values: Array `[T]`, or `[2, T]` for binary targets.
    """

    values: np.ndarray

    @classmethod
    def given(cls, class_weight: object, targets: Targets) -> "ClassWeights":
        """Returns the weights of a dictionary, 1 for classes it leaves out.

        Raises:
            ValueError: If it is no dictionary from classes to weights, or the
                targets are no classes.
        """
        num_classes = check_classes(class_weight, targets)
        if isinstance(targets, BinaryTargets):
            raise ValueError(
                "A dictionary does not weight binary targets: pass "
                '`class_weight="balanced"` to `adapt`, which gives zeros and '
                "ones of every target the same weight. Received: "
                f"class_weight={class_weight!r}"
            )
        if not isinstance(class_weight, dict):
            raise ValueError(
                "`class_weight` must be a dictionary from classes, integers "
                'from 0, to weights, or "balanced". Received: '
                f"class_weight={class_weight!r}"
            )
        values = np.ones(num_classes)
        for key, weight in class_weight.items():
            index = integer(key)
            if index is None or not 0 <= index < num_classes:
                raise ValueError(
                    "`class_weight` must map classes, integers from 0 to "
                    f"{num_classes - 1}, to weights. Received: the class "
                    f"{key!r}"
                )
            if np.ndim(weight):
                raise ValueError(
                    "`class_weight` must hold one number for each class. "
                    f"Received: class_weight={class_weight!r}"
                )
            values[index] = check_weights(weight, "class_weight")
        return cls(values)

    @classmethod
    def balanced(
        cls,
        targets: Targets,
        labeled: Iterable[tuple[np.ndarray, np.ndarray | None]],
    ) -> "ClassWeights":
        """Returns weights that give every class the same sum.

        The weight of a class is `N / (K * N_class)` with `K` classes that have
        samples, and `N` the sum of the sample weights. Of binary targets, the
        zeros and ones of every target have the same sum.

        Args:
            targets: The `Targets` of an output mapping.
            labeled: Iterable of labels, as `targets.standardized` returns
                them, and their sample weights or `None`.
        """
        num_classes = check_classes(BALANCED, targets)
        is_binary = isinstance(targets, BinaryTargets)
        sums = np.zeros((2, num_classes) if is_binary else (1, num_classes))
        for labels, weights in labeled:
            rows = labels.shape[:-1] if is_binary else labels.shape
            found = np.ones(rows)
            if weights is not None:
                found = weights_of_shape(weights, rows)
            if is_binary:
                flat = labels.reshape(-1, num_classes)
                flat_weights = found.reshape(-1, 1)
                for value in (0, 1):
                    sums[value] += ((flat == value) * flat_weights).sum(axis=0)
            else:
                known = is_class(labels, num_classes)
                sums[0] += np.bincount(
                    labels[known].astype("int64"), found[known], num_classes
                )
        # Binary targets are compared with themselves, classes with each other.
        axis = 0 if is_binary else 1
        present = np.maximum((sums > 0).sum(axis=axis, keepdims=True), 1)
        shares = sums.sum(axis=axis, keepdims=True) / present
        values = np.where(sums > 0, shares / np.where(sums > 0, sums, 1), 1.0)
        return cls(values if is_binary else values[0])

    def of_labels(self, labels: np.ndarray) -> np.ndarray:
        """Returns the weight of each label, 1 for missing ones."""
        if self.values.ndim == 2:
            weights = np.where(labels == 1, self.values[1], self.values[0])
            return np.where(np.isnan(labels.astype("float64")), 1.0, weights)
        known = is_class(labels, len(self.values))
        classes = np.where(known, labels, 0).astype("int64")
        return np.where(known, self.values[classes], 1.0)

    def of_samples(
        self, labels: np.ndarray, sample_weight: object = None
    ) -> np.ndarray:
        """Returns the product of class weights and sample weights."""
        weights = self.of_labels(labels)
        if sample_weight is None:
            return weights
        if self.values.ndim == 1:
            rows = weights_of_shape(sample_weight, labels.shape)
        else:
            rows = weights_of_shape(sample_weight, labels.shape[:-1])[..., None]
        products: np.ndarray = weights * rows
        return products


def is_class(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns which labels are classes, neither missing nor ignored."""
    known: np.ndarray = (labels >= 0) & (labels < num_classes)
    return known


def check_classes(class_weight: object, targets: Targets) -> int:
    """Returns the number of classes; raises a `ValueError` for numbers."""
    if isinstance(targets, (ClassTargets, BinaryTargets)):
        return targets.num_classes
    raise ValueError(
        "Numbers have no classes: leave out `class_weight`, and pass "
        "`sample_weight` for samples that count more than others. Received: "
        f"class_weight={class_weight!r}"
    )
