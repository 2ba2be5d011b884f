"""Thresholds that are chosen on held-out samples."""

import numpy as np

from keras_reprogram.metrics.class_scores import binary_labels
from keras_reprogram.metrics.class_scores import checked_predictions
from keras_reprogram.metrics.class_scores import class_labels
from keras_reprogram.outputs.label_weights import weights_of_shape

SCORES = ("balanced_accuracy", "f1")


def best_threshold(
    y: np.ndarray,
    predictions: np.ndarray,
    *,
    multi_label: bool = False,
    score: str = "balanced_accuracy",
    ignore_class: int | None = -1,
    sample_weight: np.ndarray | None = None,
) -> np.ndarray:
    """Chooses the thresholds above which ones, or the second class, score best.

    Choose them on samples that the model was not trained on: of validation
    data, or of the folds of a cross-validation, whose held-out `predictions`
    and `sample_indices` are attributes of
    `model.label_mapper.cross_validation`.

    ```
    two classes:     predictions[:, 1] - predictions[:, 0] > threshold
    binary targets:  predictions > threshold
    ```

    Thresholds have the unit of the predictions, logits or probabilities, and
    lie in the middle between two of them; of several that score the same, the
    one in the middle is chosen.

    Example:

    ```python
    y = np.array([0, 0, 0, 1])
    predictions = np.array([[3.0, 0.0], [2.0, 0.0], [2.0, 1.0], [2.0, 1.5]])
    threshold = keras_reprogram.metrics.best_threshold(y, predictions)  # -0.75
    keras_reprogram.metrics.scores_by_class(
        y, predictions, threshold=threshold
    ).balanced_accuracy  # 1.0
    ```

    Args:
        y: Array of classes 0 and 1 `[N, ...]`, or one-hot rows `[N, ..., 2]`;
            or, of binary targets, `[N, ..., T]` of 0, 1 and NaN for missing
            labels.
        predictions: Array `[N, ..., 2]`, or `[N, ..., T]` of binary targets.
            What `model.predict` returns.
        multi_label: Boolean. Whether targets are binary and independent.
            Defaults to `False`.
        score: String. `"balanced_accuracy"` or `"f1"`, of ones or of the
            second class. Defaults to `"balanced_accuracy"`.
        ignore_class: Integer. The label of an unknown class, `None` if there is
            none. Defaults to `-1`.
        sample_weight: Array `[N]` or `[N, ...]` of weights. Defaults to
            `None`, for weights of 1.

    Returns:
        A float64 array: `()` for two classes, `[T]` for binary targets.

    Raises:
        ValueError: If the shapes do not fit, a label is not valid, or zeros or
            ones are missing.
    """
    if score not in SCORES:
        raise ValueError(
            f"`score` must be one of {SCORES}. Received: score={score!r}"
        )
    predictions = checked_predictions(predictions)
    y = np.asarray(y)
    rows = predictions.shape[:-1]
    weights = np.ones(rows)
    if sample_weight is not None:
        weights = weights_of_shape(sample_weight, rows)
    if multi_label:
        ones, known = binary_labels(y, predictions)
        columns = predictions
    else:
        if predictions.shape[-1] != 2:
            raise ValueError(
                "A threshold decides between two classes, or with "
                "`multi_label=True` whether a binary target is 1. Received: "
                f"predictions of {predictions.shape[-1]} classes"
            )
        classes, is_known = class_labels(y, predictions, ignore_class)
        ones, known = (classes == 1)[..., None], is_known[..., None]
        columns = predictions[..., 1:] - predictions[..., :1]
    thresholds = []
    for target in range(columns.shape[-1]):
        counted = known[..., target] & (weights > 0)
        is_one = ones[..., target][counted]
        if is_one.all() or not is_one.any():
            raise ValueError(
                "A threshold is chosen on samples of both kinds. Received: "
                f"labels of {'one kind' if is_one.size else 'no kind'}"
                + f" for target {target}"
                * multi_label
            )
        thresholds.append(
            threshold_of(
                columns[..., target][counted], is_one, weights[counted], score
            )
        )
    return np.array(thresholds if multi_label else thresholds[0])


def threshold_of(
    values: np.ndarray, is_one: np.ndarray, weights: np.ndarray, score: str
) -> float:
    """Returns the threshold of one target.

    Args:
        values: Array `[N]` of predictions.
        is_one: Boolean array `[N]`.
        weights: Array `[N]` of weights above 0.
        score: String from `SCORES`.
    """
    distinct, places = np.unique(values, return_inverse=True)
    zeros, ones = (
        np.bincount(places, weights * kind, len(distinct))
        for kind in (~is_one, is_one)
    )
    # Of what lies above each prediction. Below the smallest lies nothing.
    zeros_above, ones_above = (
        kind.sum() - np.cumsum(kind) for kind in (zeros, ones)
    )
    recall = ones_above / ones.sum()
    if score == "f1":
        scores = 2 * ones_above / (ones_above + zeros_above + ones.sum())
        everything = 2 * ones.sum() / (2 * ones.sum() + zeros.sum())
    else:
        scores = (recall + 1 - zeros_above / zeros.sum()) / 2
        everything = 0.5
    if len(distinct) == 1 or everything > scores.max():
        # Everything is predicted as 1.
        return float(np.nextafter(distinct[0], -np.inf))
    # The sums are rounded.
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    index = best[len(best) // 2]
    lower, upper = distinct[index], distinct[min(index + 1, len(distinct) - 1)]
    middle = lower / 2 + upper / 2
    return float(middle if lower < middle < upper else lower)
