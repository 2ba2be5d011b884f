"""Logistic regression, the initial value of a trained label map."""

import functools
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np

from keras_reprogram.outputs import checks
from keras_reprogram.outputs.feature_scale import check_penalty
from keras_reprogram.outputs.feature_scale import scaled

MAXIMUM_ITERATIONS = 1000
TOLERANCE = 1e-4
CANDIDATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
FOLDS = 5
ITERATIONS_OF_CROSS_VALIDATION = 100
MOST_SAMPLES_OF_CROSS_VALIDATION = 600


def logistic_regression(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    regularization: float = 0.1,
) -> tuple[np.ndarray, np.ndarray]:
    """Fits `softmax(features @ weights + bias)` to the labels.

    Labels of several binary targets are fitted by a sigmoid for each. The
    weights and the bias minimize

    ```
    mean cross-entropy + regularization / 2 * v * ||weights||^2
    ```

    with `v` the mean variance of the features. The bias is not penalized, and
    predictions do not depend on the unit of the features.

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

    Returns:
        The weights `[S, T]` and the bias `[T]`, float64.

    Raises:
        ValueError: If features are not finite, a label is not a class, or the
            penalty is not greater than 0.

    References:
        - Böhning, 1992, "Multinomial logistic regression algorithm", for the
          bound.
    """
    return regularization_path(features, labels, num_classes, [regularization])[
        0
    ]


def regularization_path(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    regularizations: Sequence[float],
    iterations: int = MAXIMUM_ITERATIONS,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Fits logistic regressions for several penalties with warm starts.

    Args:
        features: As for `logistic_regression`.
        labels: As for `logistic_regression`.
        num_classes: Integer. `T`.
        regularizations: Sequence of floats. Penalties as for
            `logistic_regression`, preferably in falling order.
        iterations: Integer. Largest number of steps for each penalty.

    Returns:
        A list of weights and bias for every penalty.
    """
    for regularization in regularizations:
        check_penalty(regularization)
    features, labels = check_samples(features, labels, num_classes)
    # Centering separates the bound into features and bias.
    features, mean, unit = scaled(features)
    left, singular, right = np.linalg.svd(features, full_matrices=False)
    inputs = left * singular
    multi_label = labels.ndim == 2
    targets = labels if multi_label else np.eye(num_classes)[labels]
    is_labeled = ~np.isnan(targets)
    targets = np.where(is_labeled, targets, 0.0)

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
        residuals = np.where(is_labeled, probabilities - targets, 0.0)
        slope = inputs.T @ residuals + penalty * weights
        return slope, residuals.sum(axis=0)

    weights, bias = (
        np.zeros((len(singular), num_classes)),
        np.zeros(num_classes),
    )
    path = []
    for regularization in regularizations:
        penalty = regularization * len(labels)
        curvatures = (singular**2 / 2 + penalty)[:, None], len(labels) / 2
        weights, bias = minimize(
            functools.partial(gradient, penalty),
            (weights, bias),
            curvatures,
            iterations,
        )
        unrotated = right.T @ weights / unit
        path.append((unrotated, bias - mean @ unrotated))
    return path


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
) -> float:
    """Returns the penalty with the lowest cross-entropy on held-out samples.

    Uses five folds of at most 600 samples in all: with more samples, the
    penalty matters less.

    Example:

    ```python
    features = np.random.default_rng(0).normal(size=(50, 4))
    labels = features.argmax(axis=1)
    cross_validated_regularization(features, labels, 4)  # 0.01
    ```

    Args:
        features: As for `logistic_regression`.
        labels: As for `logistic_regression`.
        num_classes: Integer. `T`.
        candidates: Sequence of floats. The penalties to choose from, as for
            `logistic_regression`.
        seed: Integer. Seed of the folds. Defaults to `0`.

    Returns:
        The chosen penalty, as for `logistic_regression`.
    """
    features, labels = check_samples(features, labels, num_classes)
    candidates = sorted(candidates, reverse=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    folds = np.array_split(order[:MOST_SAMPLES_OF_CROSS_VALIDATION], FOLDS)
    losses = np.zeros(len(candidates))
    for left_out in filter(len, folds):
        rest = np.setdiff1d(np.concatenate(folds), left_out)
        if not len(rest):
            break
        path = regularization_path(
            features[rest],
            labels[rest],
            num_classes,
            candidates,
            ITERATIONS_OF_CROSS_VALIDATION,
        )
        for index, (weights, bias) in enumerate(path):
            scores = features[left_out] @ weights + bias
            losses[index] += cross_entropy(scores, labels[left_out])
    return candidates[losses.argmin()]


def cross_entropy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Returns the cross-entropy, summed over samples and binary labels."""
    if labels.ndim == 2:
        signed = np.where(labels == 1, -scores, scores)
        return float(np.logaddexp(0, signed)[~np.isnan(labels)].sum())
    normalizers = np.logaddexp.reduce(scores, axis=1)
    return float((normalizers - scores[np.arange(len(labels)), labels]).sum())
