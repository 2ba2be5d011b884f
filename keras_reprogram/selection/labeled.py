"""Labels, weights and folds of the samples that candidates are fitted to."""

import dataclasses
import warnings

import numpy as np

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import positive_integer
from keras_reprogram.diagnostics.labels import is_one_hot
from keras_reprogram.models.batches import to_numpy
from keras_reprogram.outputs.cross_validation import grouped_folds
from keras_reprogram.outputs.cross_validation import stratified_folds
from keras_reprogram.outputs.label_weights import BALANCED
from keras_reprogram.outputs.label_weights import ClassWeight
from keras_reprogram.outputs.label_weights import ClassWeights
from keras_reprogram.outputs.label_weights import weights_of_shape
from keras_reprogram.outputs.targets import ClassTargets
from keras_reprogram.outputs.targets import LabelFormat
from keras_reprogram.outputs.targets import check_kind
from keras_reprogram.typing import Data

# More classes than that are other numbers, such as those of patients.
MOST_CLASSES_A_SAMPLE = 10


@dataclasses.dataclass(frozen=True, eq=False)
class Labeled:
    """Labels of samples, their weights and folds.

    Args:
        labels: Integer array `[N]`.
        num_classes: Integer. `T`.
        weights: Array `[N]` of weights with a mean of 1.
        folds: List of arrays of indices, which leave no sample out whose
            weight is greater than 0. Candidates are scored on these.
        stratified: List of arrays of indices, with every class spread over all
            of them. Penalties and scales are chosen by these.
        copies: Integer. Number of rows of features for each sample: first come
            the samples as they are, then one augmented copy of each after the
            other. Defaults to `1`.
    """

    labels: np.ndarray
    num_classes: int
    weights: np.ndarray
    folds: list[np.ndarray]
    stratified: list[np.ndarray]
    copies: int = 1

    @property
    def has_groups(self) -> bool:
        """Whether `folds` keep the samples of a group together."""
        return self.folds is not self.stratified

    @property
    def of_known_classes(self) -> np.ndarray:
        """Indices of the samples whose class is also in other folds.

        A function that was fitted to those knows no other class. If no class
        is in two folds, they are all samples.
        """
        known = []
        for fold in self.folds:
            rest = self.without(fold)
            classes = self.labels[rest[self.weights[rest] > 0]]
            known.append(fold[np.isin(self.labels[fold], classes)])
        rows = np.concatenate(known)
        return rows if len(rows) else np.concatenate(self.folds)

    def without(self, fold: np.ndarray) -> np.ndarray:
        """Returns the indices of all samples that are not in a fold."""
        return np.setdiff1d(np.arange(len(self.labels)), fold)

    def rows_of(self, samples: np.ndarray) -> np.ndarray:
        """Returns the rows of the features of samples and of their copies."""
        starts = len(self.labels) * np.arange(self.copies)
        rows: np.ndarray = (starts[:, None] + samples).reshape(-1)
        return rows

    def measure(
        self, scores: np.ndarray, rows: np.ndarray | None = None
    ) -> float:
        """Returns the weighted accuracy of class scores.

        With balanced class weights it is the balanced accuracy.

        Args:
            scores: Array `[N, T]`.
            rows: Indices of the samples that count. Defaults to `None`, all.
        """
        if rows is None:
            rows = np.arange(len(self.labels))
        is_right = scores[rows].argmax(axis=1) == self.labels[rows]
        return float(np.average(is_right, weights=self.weights[rows]))

    def measures(self, scores: np.ndarray) -> np.ndarray:
        """Returns the weighted accuracy of each fold."""
        return np.array([self.measure(scores, fold) for fold in self.folds])


def labeled_samples(
    labels: np.ndarray,
    num_classes: int | None,
    class_weight: ClassWeight,
    sample_weight: np.ndarray | None,
    groups: np.ndarray | None,
    num_folds: int,
    seed: int,
) -> Labeled:
    """Checks labels, and returns them with their weights and folds.

    Args:
        labels: Integers `[N]` or `[N, 1]`, or one-hot labels `[N, T]`.
        num_classes: Integer. Defaults to `None`, the largest label plus 1.
        class_weight: Dictionary from classes to weights, `"balanced"`, or
            `None`.
        sample_weight: Array `[N]`, or `None`.
        groups: Array `[N]`, or `None`. Samples of one group are in one fold.
        num_folds: Integer.
        seed: Integer. Seed of the folds.

    Raises:
        ValueError: If labels, weights or groups are not valid.
    """
    labels, seed = np.asarray(labels), check_seed(seed)
    one_hot = labels.ndim == 2 and labels.shape[1] > 1
    if one_hot:
        check_one_hot(labels)
    if num_classes is None:
        num_classes = labels.shape[1] if one_hot else number_of(labels)
    num_classes = positive_integer("num_classes", num_classes)
    targets = ClassTargets(num_classes)
    form = LabelFormat(sparse=not one_hot)
    labels = targets.standardized(labels, form).reshape(-1).astype("int64")
    weights = (
        np.ones(len(labels))
        if sample_weight is None
        else weights_of_shape(sample_weight, labels.shape).copy()
    )
    if class_weight is not None:
        of_classes = (
            ClassWeights.balanced(targets, [(labels, weights)])
            if isinstance(class_weight, str) and class_weight == BALANCED
            else ClassWeights.given(class_weight, targets)
        )
        weights *= of_classes.of_labels(labels)
    # Samples without a weight count nowhere: a fold of them has no score.
    counted = np.flatnonzero(weights)
    if not len(counted):
        raise ValueError(
            "At least one sample must have a weight. Received: weights of 0"
        )
    if len(np.unique(labels[counted])) < 2:
        raise ValueError(
            "A classifier needs samples of two classes: pass more samples. "
            "Received: labels of one class, among samples whose weight is "
            "greater than 0"
        )
    warn_of_classes_without_samples(labels[counted], num_classes)
    if groups is not None and groups.shape != labels.shape:
        raise ValueError(
            "`groups` must hold one group for each sample. Received: groups of "
            f"shape {groups.shape} for {len(labels)} samples"
        )
    folds = stratified = [
        counted[fold]
        for fold in stratified_folds(labels[counted], num_folds, seed)
    ]
    if groups is not None:
        found = grouped_folds(labels[counted], groups[counted], num_folds, seed)
        folds = [counted[fold] for fold in found]
    if len(folds) < 2:
        raise ValueError(
            "Cross-validation needs two samples, of two groups. Received: "
            f"{len(counted)} samples"
        )
    warn_of_classes_in_one_fold(labels, folds)
    return Labeled(
        labels, num_classes, weights / weights.mean(), folds, stratified
    )


def check_one_hot(labels: np.ndarray) -> None:
    """Raises a `ValueError` unless every row `[T]` has one class."""
    check_kind(labels)
    if is_one_hot(labels):
        return
    raise ValueError(
        "Every row of one-hot labels has a single 1, and 0 elsewhere: pass "
        "integers from 0, such as `y.argmax(axis=1)` of probabilities; numbers "
        "and several labels at once are not classes. Received: y of shape "
        f"{labels.shape} with values from {labels.min():g} to "
        f"{labels.max():g}"
    )


def warn_of_classes_without_samples(
    labels: np.ndarray, num_classes: int
) -> None:
    """Warns of classes that no sample has, such as 0 if labels start at 1."""
    missing = np.setdiff1d(np.arange(num_classes), labels)
    if len(missing):
        warnings.warn(
            f"{len(missing)} of {num_classes} classes have no sample with a "
            "weight, and are never predicted: pass integers from 0 without "
            "gaps, as `np.unique(y, return_inverse=True)` returns them. "
            f"Received: no sample of classes {missing[:10].tolist()}",
            stacklevel=4,
        )


def groups_of(groups: Data) -> np.ndarray:
    """Returns groups as an array, in which missing ones are still missing."""
    if isinstance(groups, (list, tuple)):
        # NumPy would make the string "nan" of NaN among strings.
        return np.array(groups, dtype=object)
    return to_numpy(groups)


def warn_of_classes_in_one_fold(
    labels: np.ndarray, folds: list[np.ndarray]
) -> None:
    """Warns of classes that are never predicted where they are left out."""
    folds_of_classes: dict[int, int] = {}
    for fold in folds:
        for label in np.unique(labels[fold]).tolist():
            folds_of_classes[label] = folds_of_classes.get(label, 0) + 1
    alone = [label for label, count in folds_of_classes.items() if count == 1]
    if alone:
        warnings.warn(
            "All samples of a class are in one fold, in which no prediction "
            "can be right, so that scores are too low: pass samples of at "
            "least two groups for every class, two samples where there are no "
            f"groups. Received: classes {sorted(alone)[:10]} in one fold each",
            stacklevel=4,
        )


def number_of(labels: np.ndarray) -> int:
    """Returns the number of classes of integer labels."""
    check_kind(labels)
    if not labels.size or (
        labels.dtype.kind == "f" and np.any(labels != np.round(labels))
    ):
        raise ValueError(
            "`y` must be integers from 0, one for each sample, or one-hot "
            f"labels. Received: y of dtype {labels.dtype}, shape {labels.shape}"
        )
    if labels.min() < 0:
        raise ValueError(
            "`y` must be integers from 0, one for each sample, or one-hot "
            f"labels. Received: a label of {labels.min()}"
        )
    num_classes = int(labels.max()) + 1
    if num_classes > MOST_CLASSES_A_SAMPLE * len(labels):
        raise ValueError(
            "`y` must be integers from 0 without gaps: `names, y = "
            "np.unique(y, return_inverse=True)` makes them of others. "
            f"Received: a label of {labels.max():g} for {len(labels)} samples; "
            "pass `num_classes` if there are so many classes"
        )
    return num_classes
