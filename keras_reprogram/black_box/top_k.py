"""Probabilities of all classes from the few that a source returns."""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_reprogram.black_box.top_k_parsing import check_labels
from keras_reprogram.black_box.top_k_parsing import check_scores
from keras_reprogram.black_box.top_k_parsing import labels_and_scores
from keras_reprogram.configurable import positive_integer

# Probability that the labels of a source without scores share.
LABEL_CONFIDENCE = 0.9


def probabilities_from_top_k(
    function: Callable[[np.ndarray], Any], num_classes: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Makes a source that returns its top classes return all probabilities.

    Returned classes keep their probabilities. The remaining probability is
    shared equally by the other classes, or, if all classes are returned, in
    proportion to their probabilities. A class that is returned twice gets the
    sum of both.

    If the source returns labels without scores, the `k` labels of an input
    share a probability of 0.9 in the proportion `1 : 1/2 : ... : 1/k`.

    The order of the other classes is lost. With labels only, the loss does
    not change as long as no label does, so use many directions and a large
    `smoothing`.

    Example:

    ```python
    source = keras_reprogram.black_box.QueriedSource(
        keras_reprogram.black_box.probabilities_from_top_k(
            lambda images: images.reshape(len(images), -1).argmax(axis=1) % 6,
            num_classes=6,
        ),
        input_shape=(8, 8, 3),
        num_classes=6,
    )
    ```

    Args:
        function: Callable. Maps an array `(n, ...)` to integer labels `(n,)`
            or `(n, k)`; to a tuple or list of labels and their probabilities,
            both `(n, k)`; or to a list that holds, for each input, any number
            of pairs `(label, probability)` or a dictionary from labels to
            probabilities. For two inputs, a list of two rows of integers is
            read as labels.
        num_classes: Integer. The number of source classes.

    Returns:
        A function that returns probabilities `(n, num_classes)`.

    Raises:
        ValueError: In use, if labels are not integers from 0 to
            `num_classes - 1`, if scores are not probabilities, or if there is
            not one row for each input.
    """
    num_classes = positive_integer("num_classes", num_classes)

    def probabilities(inputs: np.ndarray) -> np.ndarray:
        labels, scores = labels_and_scores(function(inputs), len(inputs))
        labels = check_labels(labels, num_classes)
        if scores is None:
            scores = [scores_of_labels(row, num_classes) for row in labels]
        else:
            scores = check_scores(scores, labels)
        result = np.zeros((len(inputs), num_classes))
        for row, row_labels, row_scores in zip(result, labels, scores):
            np.add.at(row, row_labels, row_scores)
            is_missing = np.ones(num_classes, bool)
            is_missing[row_labels] = False
            if is_missing.any():
                remainder = max(1.0 - row.sum(), 0.0)
                row[is_missing] = remainder / np.count_nonzero(is_missing)
            elif not row.any():
                row[:] = 1.0
            row /= row.sum()
        return result.astype("float32")

    return probabilities


def scores_of_labels(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns probabilities for an input's labels without scores."""
    weights = 1.0 / np.arange(1, labels.size + 1)
    is_partial = np.unique(labels).size < num_classes
    total = LABEL_CONFIDENCE if is_partial else 1.0
    return np.asarray(total * weights / weights.sum())
