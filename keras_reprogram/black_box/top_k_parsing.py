"""Labels and scores from the formats in which services return them."""

import numbers
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_reprogram.black_box.numeric_array import numeric_array
from keras_reprogram.configurable import integer

# Rounding may move scores out of [0, 1], and their sums above 1.
SCORE_TOLERANCE = 1e-3
SUM_TOLERANCE = 1e-2

Rows = list[np.ndarray]


def labels_and_scores(answer: Any, count: int) -> tuple[Rows, Rows | None]:
    """Returns a row of labels for each input, and a row of scores if given.

    Args:
        answer: Labels `(n,)` or `(n, k)`; labels and their scores; or, for
            each input, pairs `(label, score)` or a dictionary from labels to
            scores.
        count: Integer. The number of inputs.

    Returns:
        Two lists of arrays; `None` instead of the second if there are no
        scores.

    Raises:
        ValueError: If the answer has another form.
    """
    if isinstance(answer, Mapping):
        raise ValueError(
            "Instead of a dictionary of arrays, return `(labels, scores)`; "
            "dictionaries from labels to scores are expected in a list, one "
            "for each input. Received: a dictionary with keys "
            f"{list(answer)}"
        )
    if not isinstance(answer, (list, tuple)):
        answer = np.atleast_1d(numeric_array(answer))
    elif answer and all(isinstance(item, Mapping) for item in answer):
        answer = [list(item.items()) for item in answer]
    elif answer and all(is_pair(item) for item in answer):
        answer = [[item] for item in answer]
    if is_labels_with_scores(answer, count):
        labels, scores = (as_rows(part, count) for part in answer)
        return labels, scores
    arrays = [numeric_array(row) for row in answer]
    if is_rows_of_pairs(arrays):
        check_length(arrays, count)
        pairs = [array.reshape(-1, 2) for array in arrays]
        return [row[:, 0] for row in pairs], [row[:, 1] for row in pairs]
    return as_rows(answer, count), None


def is_pair(item: Any) -> bool:
    """Whether an item is one `(label, score)`, an integer and a fraction."""
    return (
        isinstance(item, tuple)
        and len(item) == 2
        and integer(item[0]) is not None
        and isinstance(item[1], numbers.Real)
        and integer(item[1]) is None
    )


def is_labels_with_scores(answer: Any, count: int) -> bool:
    """Whether an answer consists of two items, labels and their scores.

    For two inputs, two items may also be one row for each input.
    """
    if len(answer) != 2:
        return False
    if isinstance(answer, np.ndarray):
        stacked = answer.ndim == 3 and answer.shape[1] == count
        return stacked and (count != 2 or are_integers(answer[0]))
    if count != 2:
        return True
    if isinstance(answer[0], (list, tuple)) and any(
        isinstance(item, tuple) for item in answer[0]
    ):
        return False
    first, second = (flatten(part) for part in answer)
    if isinstance(answer, tuple) or not are_integers(first):
        return are_integers(first)
    # A list of two rows of integers is read as labels.
    return second.dtype.kind == "f" and (
        first.dtype.kind in "iu" or not are_integers(second)
    )


def is_rows_of_pairs(arrays: Rows) -> bool:
    shapes = [array.shape for array in arrays if array.size]
    return bool(shapes) and all(
        len(shape) == 2 and shape[1] == 2 for shape in shapes
    )


def flatten(value: Any) -> np.ndarray:
    """Returns all numbers in nested lists and arrays as one row."""
    leaves = [numeric_array(leaf) for leaf in keras.tree.flatten(value)]
    return np.concatenate([np.zeros(0, bool), *map(np.ravel, leaves)])


def are_integers(values: np.ndarray) -> bool:
    """Whether all values are integers, of any dtype."""
    if values.dtype.kind != "f":
        return True
    return bool(np.isfinite(values).all() and (values == values.round()).all())


def as_rows(value: Any, count: int) -> Rows:
    """Returns labels or scores as one array for each input."""
    if not isinstance(value, (list, tuple)):
        value = np.atleast_1d(numeric_array(value))
    check_length(value, count)
    rows = [np.atleast_1d(numeric_array(row)) for row in value]
    for row in rows:
        if row.ndim != 1:
            raise ValueError(
                "Labels and scores must be of shape (n,) or (n, k). Received: "
                f"shape {(count, *row.shape)}"
            )
    return rows


def check_length(value: Any, count: int) -> None:
    if len(value) != count:
        raise ValueError(
            f"One row is expected for each of {count} inputs. Received: "
            f"{len(value)}"
        )


def check_labels(labels: Rows, num_classes: int) -> Rows:
    """Returns the rows as integers from 0 to `num_classes - 1`."""
    values = np.concatenate([np.zeros(0, bool), *labels])
    if labels and not values.size:
        raise ValueError(
            "At least one class must be returned. Received: no label for "
            f"{len(labels)} inputs"
        )
    if (
        any(row.dtype.kind == "b" for row in labels)
        or not are_integers(values)
        or is_one_hot(labels, num_classes)
    ):
        raise ValueError(
            "Labels must be integers, and come before their scores; a "
            "function that returns a score for every class needs no "
            "`probabilities_from_top_k`. Received: labels of dtype "
            f"{values.dtype}, {values[:num_classes]}"
        )
    if values.size and not 0 <= values.min() <= values.max() < num_classes:
        raise ValueError(
            f"Labels must be from 0 to {num_classes - 1}. Received: "
            f"labels from {values.min()} to {values.max()}"
        )
    return [row.astype("int64") for row in labels]


def is_one_hot(labels: Rows, num_classes: int) -> bool:
    """Whether all rows are one-hot, and so are not labels."""
    if not labels or num_classes < 3:
        return False
    return all(
        row.size == num_classes and np.count_nonzero(row) == row.sum() == 1
        for row in labels
    )


def check_scores(scores: Rows, labels: Rows) -> Rows:
    """Returns the rows as probabilities of the labels."""
    for row, row_labels in zip(scores, labels):
        if row.size != row_labels.size:
            raise ValueError(
                "One score is expected for each label; a function that "
                "returns a score for every class needs no "
                f"`probabilities_from_top_k`. Received: {row.size} scores of "
                f"{row_labels.size} labels"
            )
    values = np.concatenate([np.zeros(0), *scores])
    sums = np.array([row.sum(dtype="float64") for row in scores])
    if values.size and not (
        values.min() >= -SCORE_TOLERANCE
        and values.max() <= 1.0 + SCORE_TOLERANCE
        and sums.max() <= 1.0 + SUM_TOLERANCE
    ):
        raise ValueError(
            "Scores must be probabilities, from 0 to 1, that sum to 1 at "
            "most: divide percent by 100, and take the softmax of logits "
            f"over all classes. Received: scores from {values.min():.4g} to "
            f"{values.max():.4g}, sums of rows up to {sums.max():.4g}"
        )
    return [row.clip(0.0, 1.0) for row in scores]
