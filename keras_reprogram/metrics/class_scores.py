"""Scores of every class, as a table."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_reprogram.outputs.checks import check_binary_labels
from keras_reprogram.outputs.checks import check_labels
from keras_reprogram.outputs.label_weights import weights_of_shape
from keras_reprogram.representation import constructor_call
from keras_reprogram.tables import markdown_table


@dataclasses.dataclass(frozen=True, eq=False)
class ClassScores:
    """How well each class, or each binary target, is predicted.

    Args:
        names: Sequence of the classes' names.
        multi_label: Boolean. Whether these are binary targets.
        true_positives: Array `[T]`. Sum of weights of the class's samples that
            are predicted as it.
        false_positives: Array `[T]`. Sum of weights of other samples that are.
        false_negatives: Array `[T]`. Sum of weights of its other samples.
        true_negatives: Array `[T]`. Sum of weights of the others.
    """

    names: Sequence[str]
    multi_label: bool
    true_positives: np.ndarray
    false_positives: np.ndarray
    false_negatives: np.ndarray
    true_negatives: np.ndarray

    __repr__ = constructor_call

    @property
    def support(self) -> np.ndarray:
        """Sum of weights of each class's samples, their number without."""
        support: np.ndarray = self.true_positives + self.false_negatives
        return support

    @property
    def recall(self) -> np.ndarray:
        """Share of a class's samples that is predicted as it; NaN for none."""
        return ratio(self.true_positives, self.support)

    @property
    def specificity(self) -> np.ndarray:
        """Share of the other samples that is not predicted as the class."""
        others = self.true_negatives + self.false_positives
        return ratio(self.true_negatives, others)

    @property
    def precision(self) -> np.ndarray:
        """Share of the class among what is predicted as it; NaN for none."""
        predicted = self.true_positives + self.false_positives
        return ratio(self.true_positives, predicted)

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall."""
        twice = 2 * self.true_positives
        wrong = self.false_positives + self.false_negatives
        return ratio(twice, twice + wrong)

    @property
    def accuracy(self) -> float:
        """Share of samples, or of binary labels, that is correct."""
        if not self.multi_label:
            return float(self.true_positives.sum() / self.support.sum())
        correct = self.true_positives + self.true_negatives
        wrong = self.false_positives + self.false_negatives
        return float(correct.sum() / (correct + wrong).sum())

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes with samples.

        Of binary targets, the mean over targets of the mean recall of ones and
        zeros.
        """
        if not self.multi_label:
            return mean_of_known(self.recall)
        both = np.stack([self.recall, self.specificity])
        return mean_of_known(
            np.array([mean_of_known(target) for target in both.T])
        )

    @property
    def macro_f1(self) -> float:
        """Mean of `f1` over the classes that have samples or predictions."""
        return mean_of_known(self.f1)

    def table(self) -> str:
        """Returns a row for each class and one of means, as Markdown."""
        columns = [["samples", *(f"{count:g}" for count in self.support)]]
        columns[0].append(f"{self.support.sum():g}")
        for name, values, mean in (
            ("recall", self.recall, mean_of_known(self.recall)),
            ("precision", self.precision, mean_of_known(self.precision)),
            ("F1", self.f1, self.macro_f1),
        ):
            columns.append([name, *map(text_of, [*values, mean])])
        return markdown_table([*columns, ["class", *self.names, "mean"]])

    def __str__(self) -> str:
        return (
            f"{self.table()}\nAccuracy {self.accuracy:.3f}, balanced accuracy "
            f"{self.balanced_accuracy:.3f}"
        )


def scores_by_class(
    y: np.ndarray,
    predictions: np.ndarray,
    *,
    multi_label: bool = False,
    threshold: float | np.ndarray | None = None,
    names: Sequence[str] | None = None,
    ignore_class: int | None = -1,
    sample_weight: np.ndarray | None = None,
) -> ClassScores:
    """Computes recall, precision and F1 of every class.

    Example:

    ```python
    y = np.array([0, 0, 0, 1])
    predictions = np.array([[3.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    scores = keras_reprogram.metrics.scores_by_class(
        y, predictions, names=["frequent", "rare"]
    )
    print(scores)
    # | samples | recall | precision |    F1 | class    |
    # | ------: | -----: | --------: | ----: | :------- |
    # |       3 |  0.667 |     1.000 | 0.800 | frequent |
    # |       1 |  1.000 |     0.500 | 0.667 | rare     |
    # |       4 |  0.833 |     0.750 | 0.733 | mean     |
    # Accuracy 0.750, balanced accuracy 0.833
    ```

    Args:
        y: Array of classes `[N, ...]` or one-hot rows `[N, ..., T]`; or, of
            binary targets, `[N, ..., T]` of 0, 1 and NaN for missing labels.
        predictions: Array `[N, ..., T]`. What `model.predict` returns: logits
            or probabilities.
        multi_label: Boolean. Whether targets are binary and independent.
            Defaults to `False`.
        threshold: Float, or an array `[T]`. A binary target is predicted above
            it; the second of two classes where its prediction exceeds the
            first's by more. See `best_threshold`. Defaults to `None`: 0 for two
            classes; binary targets need one, 0 for logits and 0.5 for
            probabilities.
        names: Sequence of the names of classes. Defaults to `None`, for their
            numbers.
        ignore_class: Integer. The label of an unknown class, `None` if there is
            none. Defaults to `-1`.
        sample_weight: Array `[N]` or `[N, ...]` of weights. Defaults to
            `None`, for weights of 1.

    Returns:
        A `ClassScores`.

    Raises:
        ValueError: If the shapes do not fit, a label is not valid, or a
            threshold is missing or of no use.
    """
    predictions = checked_predictions(predictions)
    num_classes = predictions.shape[-1]
    names = list(map(str, range(num_classes) if names is None else names))
    if len(names) != num_classes:
        raise ValueError(
            f"`names` must name each of {num_classes} classes. Received: "
            f"{len(names)} names"
        )
    y = np.asarray(y)
    if multi_label:
        is_class, known = binary_labels(y, predictions)
        if threshold is None:
            raise ValueError(
                "Binary targets are predicted above a threshold: pass "
                "`threshold=0.0` for logits, 0.5 for probabilities, or that of "
                "`best_threshold`. Received: threshold=None"
            )
        is_predicted = predictions > checked_threshold(threshold, num_classes)
    else:
        classes, of_samples = class_labels(y, predictions, ignore_class)
        predicted = predicted_classes(predictions, threshold)
        is_class, is_predicted = (
            values[..., None] == np.arange(num_classes)
            for values in (classes, predicted)
        )
        known = np.broadcast_to(of_samples[..., None], is_class.shape)
    weights = known.astype("float64")
    if sample_weight is not None:
        rows = weights_of_shape(sample_weight, predictions.shape[:-1])
        weights = weights * rows[..., None]
    if not weights.any():
        raise ValueError(
            "Scores need at least one known label with a weight above 0. "
            "Received: none"
        )
    cells = (
        (weights * cell).reshape(-1, num_classes).sum(axis=0)
        for cell in (
            is_class & is_predicted,
            ~is_class & is_predicted,
            is_class & ~is_predicted,
            ~is_class & ~is_predicted,
        )
    )
    return ClassScores(names, multi_label, *cells)


def checked_predictions(predictions: object) -> np.ndarray:
    """Returns finite predictions `[N, ..., T]`, or raises a `ValueError`."""
    array = np.asarray(predictions)
    if array.dtype.kind not in "biuf" or array.ndim < 2:
        raise ValueError(
            "`predictions` must be numbers of shape (samples, ..., classes), "
            "as `model.predict` returns them. Received: predictions of shape "
            f"{array.shape}, dtype={array.dtype}"
        )
    if not np.isfinite(array).all():
        raise ValueError(
            "`predictions` must be finite. Received: predictions with NaN or "
            "infinity"
        )
    return array.astype("float64")


def binary_labels(
    y: np.ndarray, predictions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns which labels are 1 and which are known."""
    if y.shape != predictions.shape:
        raise ValueError(
            "`y` must hold a label of 0 or 1 for each prediction. Received: y "
            f"of shape {y.shape}, predictions of shape {predictions.shape}"
        )
    labels = check_binary_labels(y)
    return labels == 1, ~np.isnan(labels)


def class_labels(
    y: np.ndarray, predictions: np.ndarray, ignore_class: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns classes of the shape `[N, ...]`, and which are known."""
    num_classes = predictions.shape[-1]
    known = np.ones(predictions.shape[:-1], bool)
    if y.shape == predictions.shape:
        # A row of zeros, or with NaN, is no class.
        values = np.nan_to_num(y.astype("float64"))
        known = (values > 0).any(axis=-1) & ~np.isnan(y.astype("float64")).any(
            axis=-1
        )
        return values.argmax(axis=-1), known
    if y.shape == (*known.shape, 1):
        y = y[..., 0]
    if y.shape != known.shape:
        raise ValueError(
            "`y` must hold one class for each row of `predictions`, or one-hot "
            f"rows. Received: y of shape {y.shape}, predictions of shape "
            f"{predictions.shape}"
        )
    if y.dtype.kind == "f":
        known = ~np.isnan(y)
    if ignore_class is not None:
        known = known & (y != ignore_class)
    check_labels(y[known], num_classes)
    return np.where(known, y, 0).astype("int64"), known


def predicted_classes(
    predictions: np.ndarray, threshold: float | np.ndarray | None
) -> np.ndarray:
    """Returns the predicted classes `[N, ...]`."""
    if threshold is None:
        largest: np.ndarray = predictions.argmax(axis=-1)
        return largest
    if predictions.shape[-1] != 2:
        raise ValueError(
            "A threshold decides between two classes: leave out `threshold`, "
            "or pass `multi_label=True`. Received: predictions of "
            f"{predictions.shape[-1]} classes"
        )
    margins = predictions[..., 1] - predictions[..., 0]
    exceeds: np.ndarray = margins > checked_threshold(threshold, 1)
    return exceeds.astype("int64")


def checked_threshold(
    threshold: float | np.ndarray, num_targets: int
) -> np.ndarray:
    """Returns one threshold, or one for each target, as an array."""
    array = np.asarray(threshold)
    if (
        array.dtype.kind not in "biuf"
        or array.shape not in ((), (num_targets,))
        or np.isnan(array).any()
    ):
        raise ValueError(
            f"`threshold` must be one number, or one for each of {num_targets} "
            f"targets. Received: threshold={threshold!r}"
        )
    return array.astype("float64")


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Returns shares, NaN of nothing."""
    shares: np.ndarray = np.where(
        whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan
    )
    return shares


def mean_of_known(values: np.ndarray) -> float:
    """Returns the mean of values that are not NaN, NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def text_of(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"
