"""Logistic regression, where a trained label map starts."""

import numpy as np

MAXIMUM_ITERATIONS = 1000
TOLERANCE = 1e-4


def logistic_regression(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    regularization: float = 0.1,
) -> tuple[np.ndarray, np.ndarray]:
    """Fits `softmax(features @ weights + bias)` to the labels.

    Labels of several binary targets are fitted by a sigmoid for each.

    Minimises the mean cross-entropy plus `regularization / 2` times the
    squared norm of the weights; the bias is free. The Hessian of the summed
    cross-entropy is at most `X^T X / 2`, whatever the weights, so one singular
    value decomposition of `X` gives a step that never overshoots in any
    direction; Nesterov's momentum, restarted when it points uphill, makes
    these steps few.

    Example:

    ```python
    features = np.random.default_rng(0).normal(size=(50, 4))
    labels = features.argmax(axis=1)
    weights, bias = logistic_regression(features, labels, num_classes=4)
    np.mean((features @ weights + bias).argmax(axis=1) == labels)  # about 0.9
    ```

    Args:
        features: Array `[N, S]`.
        labels: Integer array `[N]` with values in `[0, num_classes)`; or,
            for binary targets, an array `[N, T]` of 0, 1, and NaN where a
            label is not known.
        num_classes: `T`.
        regularization: Strength of the L2 penalty, greater than 0.
            Scikit-learn's `C` is `1 / (N * regularization)`.

    Returns:
        The weights `[S, T]` and the bias `[T]`, float64.

    References:
        - Böhning, 1992, "Multinomial logistic regression algorithm", for the
          bound.
    """
    if not regularization > 0:
        raise ValueError(
            "`regularization` must be greater than 0. Received: "
            f"regularization={regularization}"
        )
    features = np.asarray(features, "float64")
    mean = features.mean(axis=0)
    # Centred, the features' part and the bias's part of the bound separate.
    left, singular, right = np.linalg.svd(features - mean, full_matrices=False)
    inputs = left * singular
    penalty = regularization * len(labels)
    curvature = (singular**2 / 2 + penalty)[:, None]
    multi_label = labels.ndim == 2
    targets = labels if multi_label else np.eye(num_classes)[labels]
    known = ~np.isnan(targets)
    targets = np.where(known, targets, 0.0)
    bias_curvature = len(labels) / 2

    def gradient(weights: np.ndarray, bias: np.ndarray) -> tuple:
        scores = inputs @ weights + bias
        if multi_label:
            probabilities = (1 + np.tanh(scores / 2)) / 2
        else:
            scores -= scores.max(axis=1, keepdims=True)
            probabilities = np.exp(scores)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
        residuals = np.where(known, probabilities - targets, 0.0)
        slope = inputs.T @ residuals + penalty * weights
        return slope, residuals.sum(axis=0)

    weights = ahead = np.zeros((len(singular), num_classes))
    bias = bias_ahead = np.zeros(num_classes)
    momentum = 1.0
    for _ in range(MAXIMUM_ITERATIONS):
        slope, bias_slope = gradient(ahead, bias_ahead)
        if max(abs(slope).max(), abs(bias_slope).max()) < TOLERANCE:
            break
        step = ahead - slope / curvature - weights
        bias_step = bias_ahead - bias_slope / bias_curvature - bias
        uphill = (slope * step).sum() + (bias_slope * bias_step).sum() > 0
        following = 1.0 if uphill else (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        pace = 0.0 if uphill else (momentum - 1) / following
        weights, bias = weights + step, bias + bias_step
        ahead, bias_ahead = weights + pace * step, bias + pace * bias_step
        momentum = following
    weights = right.T @ weights
    return weights, bias - mean @ weights
