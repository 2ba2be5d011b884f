"""Centering and scaling of features by their mean and variance."""

import math
import numbers
from typing import Any

import numpy as np

# Relative to the mean. Smaller deviations are rounding errors of float64.
SMALLEST_DEVIATION = 1e-14


def vary(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Returns which features vary, given their means and variances."""
    varies: np.ndarray = np.sqrt(variance) > SMALLEST_DEVIATION * np.abs(mean)
    return varies


def mean_variance(mean: np.ndarray, variance: np.ndarray) -> float:
    """Returns the mean variance of the features, 1 if all are constant.

    Args:
        mean: Array `[S]`.
        variance: Array `[S]`.
    """
    total = np.where(vary(mean, variance), variance, 0.0).sum()
    return float(total / max(len(mean), 1)) or 1.0


def scaled(
    features: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Centers features and divides all of them by one number.

    Args:
        features: Array `[N, S]`.
        weights: Array `[N]` of weights of the samples, not all 0. Defaults to
            `None`, for equal ones.

    Returns:
        Features with means of 0 and a mean variance of 1; their original means
        `[S]`; and the number.
    """
    features, mean = centered(features, weights)
    variance = weighted_mean(np.square(features), weights)
    unit = np.sqrt(mean_variance(mean, variance))
    return features / unit, mean, float(unit)


def centered(
    rows: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns rows minus their mean, and the mean, in float64."""
    # Subtracting the first row makes constant columns exactly 0.
    first = rows[0].astype("float64")
    rows = rows - first
    mean = weighted_mean(rows, weights)
    return rows - mean, first + mean


def weighted_mean(
    rows: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Returns the mean of rows, each with its weight."""
    mean: np.ndarray = (
        rows.mean(axis=0) if weights is None else weights @ rows / weights.sum()
    )
    return mean


def check_penalty(regularization: Any) -> None:
    """Raises a `ValueError` unless a penalty is finite and positive."""
    is_number = isinstance(regularization, numbers.Real)
    if not is_number or not 0 < float(regularization) < math.inf:
        raise ValueError(
            "`regularization` must be a finite number greater than 0. "
            f"Received: regularization={regularization!r}"
        )
