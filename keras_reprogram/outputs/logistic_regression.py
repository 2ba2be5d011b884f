"""Logistic regression, the initial value of a trained label map."""

import functools
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np

from keras_reprogram.outputs import checks
from keras_reprogram.outputs.cross_validation import CrossValidation
from keras_reprogram.outputs.cross_validation import stratified_folds
from keras_reprogram.outputs.feature_scale import check_penalty
from keras_reprogram.outputs.feature_scale import scaled
from keras_reprogram.outputs.label_weights import check_weights

MAXIMUM_ITERATIONS = 1000
TOLERANCE = 1e-4
# From weights and bias for principal components to those for the features.
Restore = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

CANDIDATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
FOLDS = 5
ITERATIONS_OF_CROSS_VALIDATION = 100
MOST_SAMPLES_OF_CROSS_VALIDATION = 600


def logistic_regression(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    regularization: float = 0.1,
    sample_weight: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Fits `softmax(features @ weights + bias)` to the labels.

    Labels of several binary targets are fitted by a sigmoid for each. The
    weights and the bias minimize

    ```
    mean cross-entropy + regularization / 2 * v * ||weights||^2
    ```

    with `v` the mean variance of the features. The bias is not penalized, and
    predictions do not depend on the unit of the features. With sample weights,
    means and variances are weighted: a weight of 2 is a sample that occurs
    twice, a weight of 0 one that does not, and a factor of all weights changes
    nothing.

    The Hessian of the summed cross-entropy is at most `X^T X / 2`, whatever
    the weights, so one singular value decomposition of `X` gives a step that
    never overshoots in any direction; Nesterov's momentum, restarted when it
    points uphill, reduces their number.

    Example:

    ```python
    features = np.random.default_rng(0).normal(size=(50, 4))
    labels = features.argmax(axis=1)
    weights, bias = logistic_regression(features, labels, num_classes=4)
    np.mean((features @ weights + bias).argmax(axis=1) == labels)  # about 0.9
    ```

    Args:
        features: Array `[N, S]` of finite numbers.
        labels: Integer array `[N]` with values in `[0, num_classes)`; or,
            for binary targets, an array `[N, T]` of 0, 1, and NaN for missing
            labels.
        num_classes: Integer. `T`.
        regularization: Float greater than 0. Strength of the L2 penalty, in
            units of the mean variance of the features,
            `features.var(axis=0).mean()`. Scikit-learn's `C` is
            `1 / (N * regularization * features.var(axis=0).mean())`. Defaults
            to `0.1`.
        sample_weight: Array `[N]` of weights of the samples, of at least 0;
            for binary targets also `[N, T]`, one for each label. Defaults to
            `None`, for equal weights.

    Returns:
        The weights `[S, T]` and the bias `[T]`, float64.

    Raises:
        ValueError: If features are not finite, a label is not a class, the
            penalty is not greater than 0, or no weight is.

    References:
        - Böhning, 1992, "Multinomial logistic regression algorithm", for the
          bound.
    """
    (solution,) = regularization_path(
        features,
        labels,
        num_classes,
        [regularization],
        sample_weight=sample_weight,
    )
    return solution


def regularization_path(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    regularizations: Sequence[float],
    iterations: int = MAXIMUM_ITERATIONS,
    sample_weight: np.ndarray | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Fits logistic regressions for several penalties with warm starts.

    Args:
        features: As for `logistic_regression`.
        labels: As for `logistic_regression`.
        num_classes: Integer. `T`.
        regularizations: Sequence of floats. Penalties as for
            `logistic_regression`, preferably in falling order.
        iterations: Integer. Largest number of steps for each penalty.
        sample_weight: As for `logistic_regression`.

    Returns:
        A list of weights and bias for every penalty.
    """
    for regularization in regularizations:
        check_penalty(regularization)
    features, labels = check_samples(features, labels, num_classes)
    weights_of_labels = check_sample_weight(sample_weight, labels)
    if weights_of_labels is not None:
        counted = weights_of_labels.any(axis=1)
        features, labels = features[counted], labels[counted]
        weights_of_labels = weights_of_labels[counted]
        # Their sum is the number of samples, as without weights.
        weights_of_labels = weights_of_labels / weights_of_labels.mean()
    inputs, singular, restore = principal_components(
        features, weights_of_labels
    )
    multi_label = labels.ndim == 2
    targets = labels if multi_label else np.eye(num_classes)[labels]
    is_labeled = ~np.isnan(targets)
    targets = np.where(is_labeled, targets, 0.0)
    counts = np.where(
        is_labeled, 1.0 if weights_of_labels is None else weights_of_labels, 0.0
    )

    def gradient(
        penalty: float, weights: np.ndarray, bias: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        scores = inputs @ weights + bias
        if multi_label:
            probabilities = (1 + np.tanh(scores / 2)) / 2
        else:
            scores -= scores.max(axis=1, keepdims=True)
            probabilities = np.exp(scores)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
        residuals = counts * (probabilities - targets)
        slope = inputs.T @ residuals + penalty * weights
        return slope, residuals.sum(axis=0)

    weights, bias = (
        np.zeros((len(singular), num_classes)),
        np.zeros(num_classes),
    )
    path = []
    for regularization in regularizations:
        penalty = regularization * len(labels)
        curvatures = (
            (singular**2 / 2 + penalty)[:, None],
            counts.max(axis=1).sum() / 2,
        )
        weights, bias = minimize(
            functools.partial(gradient, penalty),
            (weights, bias),
            curvatures,
            iterations,
        )
        path.append(restore(weights, bias))
    return path


def principal_components(
    features: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, Restore]:
    """Returns features along their principal axes, with a mean variance of 1.

    Args:
        features: Array `[N, S]`.
        weights: Array `[N, 1]` or `[N, T]` of weights above 0, or `None`.

    Returns:
        The centered features along the axes `[N, R]`; the square roots of
        their summed squares `[R]`; and a function from weights `[R, T]` and
        bias for them to those for the features.
    """
    # Where targets have different weights, the largest bounds the curvature.
    largest = None if weights is None else weights.max(axis=1)
    # Centering separates the bound into features and bias.
    features, mean, unit = scaled(features, largest)
    if largest is None:
        left, singular, axes = np.linalg.svd(features, full_matrices=False)
        inputs = left * singular
    else:
        _, singular, axes = np.linalg.svd(
            np.sqrt(largest)[:, None] * features, full_matrices=False
        )
        inputs = features @ axes.T

    def restore(
        weights: np.ndarray, bias: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        unrotated = axes.T @ weights / unit
        return unrotated, bias - mean @ unrotated

    return inputs, singular, restore


def check_samples(
    features: np.ndarray, labels: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    features, labels = checks.check_samples(
        features, labels, num_classes, "features"
    )
    if not len(features):
        raise ValueError(
            "A regression needs at least one sample. Received: none"
        )
    return features, labels


def check_sample_weight(
    sample_weight: np.ndarray | None, labels: np.ndarray
) -> np.ndarray | None:
    """Returns weights `[N, 1]` or `[N, T]`, not all 0, or `None`."""
    if sample_weight is None:
        return None
    weights = check_weights(sample_weight)
    rows = labels.shape[:1]
    if weights.shape not in (labels.shape, rows, (*rows, 1)):
        raise ValueError(
            "`sample_weight` must hold one weight for each sample, or for each "
            f"label. Received: weights of {weights.shape}, labels of "
            f"{labels.shape}"
        )
    if not weights.any():
        raise ValueError(
            "A regression needs at least one sample with a weight above 0. "
            "Received: weights of 0"
        )
    return weights.reshape(len(labels), -1)


def minimize(
    gradient: Callable[..., tuple[np.ndarray, np.ndarray]],
    start: tuple[np.ndarray, np.ndarray],
    curvatures: tuple[np.ndarray, float],
    iterations: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Iterates steps of `gradient / curvature` with restarted momentum."""
    weights, bias = ahead, bias_ahead = start
    momentum = 1.0
    for _ in range(iterations):
        slope, bias_slope = gradient(ahead, bias_ahead)
        slopes = abs(slope).max(initial=0.0), abs(bias_slope).max(initial=0.0)
        if max(slopes) < TOLERANCE:
            break
        step = ahead - slope / curvatures[0] - weights
        bias_step = bias_ahead - bias_slope / curvatures[1] - bias
        uphill = (slope * step).sum() + (bias_slope * bias_step).sum() > 0
        following = 1.0 if uphill else (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        pace = 0.0 if uphill else (momentum - 1) / following
        weights, bias = weights + step, bias + bias_step
        ahead, bias_ahead = weights + pace * step, bias + pace * bias_step
        momentum = following
    return weights, bias


def cross_validated_regularization(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    candidates: Sequence[float] = CANDIDATES,
    seed: int = 0,
    sample_weight: np.ndarray | None = None,
) -> CrossValidation:
    """Chooses the penalty with the lowest cross-entropy on held-out samples.

    Uses five folds of at most 600 samples in all, with every class spread over
    the folds: with more samples, the penalty matters less. The score of a fold
    is the mean over its samples, weighted by `sample_weight`. A sample whose
    class no other fold has is not scored: no penalty predicts it.

    Example:

    ```python
    features = np.random.default_rng(0).normal(size=(50, 4))
    labels = features.argmax(axis=1)
    cross_validated_regularization(features, labels, 4).chosen  # 0.01
    ```

    Args:
        features: As for `logistic_regression`.
        labels: As for `logistic_regression`.
        num_classes: Integer. `T`.
        candidates: Sequence of floats. The penalties to choose from, as for
            `logistic_regression`.
        seed: Integer. Seed of the folds. Defaults to `0`.
        sample_weight: As for `logistic_regression`. Defaults to `None`.

    Returns:
        A `CrossValidation`, with the strongest penalty chosen if there are too
        few samples to compare any.
    """
    features, labels = check_samples(features, labels, num_classes)
    weights = check_sample_weight(sample_weight, labels)
    if weights is None:
        weights = np.ones((len(labels), 1))
    candidates = sorted(candidates, reverse=True)
    counted = np.flatnonzero(weights.any(axis=1))
    folds = stratified_folds(
        labels[counted], FOLDS, seed, MOST_SAMPLES_OF_CROSS_VALIDATION
    )
    folds = [counted[fold] for fold in folds]
    rows = np.concatenate([counted[:0], *folds])
    losses, accuracies = [], []
    predictions = np.full((len(candidates), len(rows), num_classes), np.nan)
    for left_out in folds:
        rest = rows[~np.isin(rows, left_out)]
        scored = weights_of_known(labels, weights, left_out, rest)
        if not scored.any():
            continue
        path = regularization_path(
            features[rest],
            labels[rest],
            num_classes,
            candidates,
            ITERATIONS_OF_CROSS_VALIDATION,
            sample_weight=weights[rest],
        )
        scores = [features[left_out] @ matrix + bias for matrix, bias in path]
        predictions[:, np.isin(rows, left_out)] = scores
        losses.append(
            [cross_entropy(one, labels[left_out], scored) for one in scores]
        )
        accuracies.append(
            [accuracy(one, labels[left_out], scored) for one in scores]
        )
    shape = (len(losses), len(candidates))
    by_fold = np.reshape(losses, shape).T
    best = int(by_fold.sum(axis=1).argmin())
    is_predicted = ~np.isnan(predictions[0]).any(axis=1)
    return CrossValidation(
        candidates,
        by_fold,
        best,
        other_scores={"accuracy": np.reshape(accuracies, shape).T},
        sample_indices=rows[is_predicted],
        predictions=predictions[best, is_predicted],
    )


def weights_of_known(
    labels: np.ndarray,
    weights: np.ndarray,
    left_out: np.ndarray,
    rest: np.ndarray,
) -> np.ndarray:
    """Returns weights of held-out labels, 0 for those that the rest lacks."""
    if labels.ndim == 2:
        is_known = ~np.isnan(labels[left_out])
        has_label = (~np.isnan(labels[rest])).any(axis=0)
        return np.where(is_known & has_label, weights[left_out], 0.0)
    is_known = np.isin(labels[left_out], labels[rest])
    return np.where(is_known, weights[left_out, 0], 0.0)


def cross_entropy(
    scores: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> float:
    """Returns the mean cross-entropy of samples, or of binary labels."""
    if labels.ndim == 2:
        losses = np.logaddexp(0, np.where(labels == 1, -scores, scores))
    else:
        normalizers = np.logaddexp.reduce(scores, axis=1)
        losses = normalizers - scores[np.arange(len(labels)), labels]
    return float(np.average(losses, weights=weights))


def accuracy(
    scores: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> float:
    """Returns the share of samples, or of binary labels, that are correct."""
    correct = (
        (scores > 0) == (labels == 1)
        if labels.ndim == 2
        else scores.argmax(axis=1) == labels
    )
    return float(np.average(correct, weights=weights))
