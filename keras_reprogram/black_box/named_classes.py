"""Classes that a service names, in the forms in which services do so."""

import numbers
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_reprogram.black_box.host_call import numeric_array
from keras_reprogram.configurable import integer

# How far scores may be from probabilities, as they are rounded on their way.
SCORE_TOLERANCE = 1e-3
SUM_TOLERANCE = 1e-2

Rows = list[np.ndarray]


def labels_and_scores(answer: Any, count: int) -> tuple[Rows, Rows | None]:
    """Returns a row of labels for each input, and of scores if there are any.

    Args:
        answer: Labels `[n]` or `[n, k]`; labels and their scores; for each
            input pairs `(label, score)`, or a dict from labels to scores.
        count: Number of inputs.
    """
    if isinstance(answer, Mapping):
        raise ValueError(
            "Of a dict of arrays, return `(labels, scores)`; dicts from labels "
            "to scores are expected in a list, one for each input. Received: "
            f"a dict with keys {list(answer)}"
        )
    if not isinstance(answer, (list, tuple)):
        answer = np.atleast_1d(numeric_array(answer))
    elif answer and all(isinstance(item, Mapping) for item in answer):
        answer = [list(item.items()) for item in answer]
    elif answer and all(is_pair(item) for item in answer):
        answer = [[item] for item in answer]
    if is_labels_with_scores(answer, count):
        labels, scores = (rows(part, count) for part in answer)
        return labels, scores
    found = [numeric_array(row) for row in answer]
    if is_rows_of_pairs(found):
        check_length(found, count)
        pairs = [row.reshape(-1, 2) for row in found]
        return [row[:, 0] for row in pairs], [row[:, 1] for row in pairs]
    return rows(answer, count), None


def is_pair(item: Any) -> bool:
    """Whether this is one `(label, score)`, of an integer and a fraction."""
    return (
        isinstance(item, tuple)
        and len(item) == 2
        and integer(item[0]) is not None
        and isinstance(item[1], numbers.Real)
        and integer(item[1]) is None
    )


def is_labels_with_scores(answer: Any, count: int) -> bool:
    """Whether there are two items, labels and their scores.

    Of two inputs, two items may as well be a row for each of them.
    """
    if len(answer) != 2:
        return False
    if isinstance(answer, np.ndarray):
        stacked = answer.ndim == 3 and answer.shape[1] == count
        return stacked and (count != 2 or is_whole(answer[0]))
    if count != 2:
        return True
    if isinstance(answer[0], (list, tuple)) and any(
        isinstance(item, tuple) for item in answer[0]
    ):
        return False
    first, second = (flat(part) for part in answer)
    if isinstance(answer, tuple) or not is_whole(first):
        return is_whole(first)
    # A list of two rows of integers is labels.
    return second.dtype.kind == "f" and (
        first.dtype.kind in "iu" or not is_whole(second)
    )


def is_rows_of_pairs(found: Rows) -> bool:
    shapes = [row.shape for row in found if row.size]
    return bool(shapes) and all(
        len(shape) == 2 and shape[1] == 2 for shape in shapes
    )


def flat(value: Any) -> np.ndarray:
    """All numbers in nested lists and arrays, in one row."""
    leaves = [numeric_array(leaf) for leaf in keras.tree.flatten(value)]
    return np.concatenate([np.zeros(0, bool), *map(np.ravel, leaves)])


def is_whole(values: np.ndarray) -> bool:
    if values.dtype.kind != "f":
        return True
    return bool(np.isfinite(values).all() and (values == values.round()).all())


def rows(value: Any, count: int) -> Rows:
    if not isinstance(value, (list, tuple)):
        value = np.atleast_1d(numeric_array(value))
    check_length(value, count)
    found = [np.atleast_1d(numeric_array(row)) for row in value]
    for row in found:
        if row.ndim != 1:
            raise ValueError(
                "Labels and scores must be of shape (n,) or (n, k). Received: "
                f"shape {(count, *row.shape)}"
            )
    return found


def check_length(value: Any, count: int) -> None:
    if len(value) != count:
        raise ValueError(
            f"One row is expected for each of {count} inputs. Received: "
            f"{len(value)}"
        )


def check_labels(labels: Rows, num_classes: int) -> Rows:
    """Returns the rows as integers from 0 to `num_classes - 1`."""
    every = np.concatenate([np.zeros(0, bool), *labels])
    if labels and not every.size:
        raise ValueError(
            "At least one class must be named. Received: no label for "
            f"{len(labels)} inputs"
        )
    if (
        any(row.dtype.kind == "b" for row in labels)
        or not is_whole(every)
        or is_one_hot(labels, num_classes)
    ):
        raise ValueError(
            "Labels must be integers, and come before their scores; a "
            "function that returns a score for every class needs no "
            "`probabilities_from_top_k`. Received: labels of dtype "
            f"{every.dtype}, {every[:num_classes]}"
        )
    if every.size and not 0 <= every.min() <= every.max() < num_classes:
        raise ValueError(
            f"Labels must be from 0 to {num_classes - 1}. Received: "
            f"labels from {every.min()} to {every.max()}"
        )
    return [row.astype("int64") for row in labels]


def is_one_hot(labels: Rows, num_classes: int) -> bool:
    """Whether all rows are a 1 among zeros, and so no labels."""
    if not labels or num_classes < 3:
        return False
    return all(
        row.size == num_classes and np.count_nonzero(row) == row.sum() == 1
        for row in labels
    )


def check_scores(scores: Rows, labels: Rows) -> Rows:
    """Returns the rows as probabilities of the labels."""
    for row, named in zip(scores, labels):
        if row.size != named.size:
            raise ValueError(
                "One score is expected for each label; a function that "
                "returns a score for every class needs no "
                f"`probabilities_from_top_k`. Received: {row.size} scores of "
                f"{named.size} labels"
            )
    every = np.concatenate([np.zeros(0), *scores])
    sums = np.array([row.sum(dtype="float64") for row in scores])
    if every.size and not (
        every.min() >= -SCORE_TOLERANCE
        and every.max() <= 1.0 + SCORE_TOLERANCE
        and sums.max() <= 1.0 + SUM_TOLERANCE
    ):
        raise ValueError(
            "Scores must be probabilities, from 0 to 1, that sum to 1 at "
            "most: divide percent by 100, and take the softmax of logits "
            f"over all classes. Received: scores from {every.min():.4g} to "
            f"{every.max():.4g}, sums of rows up to {sums.max():.4g}"
        )
    return [row.clip(0.0, 1.0) for row in scores]
