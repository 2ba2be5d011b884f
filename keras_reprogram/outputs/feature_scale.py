"""Units of numbers that are found from the numbers themselves."""

import math
import numbers
from typing import Any

import numpy as np

# Relative to the mean; what is below is the rounding of float64.
SMALLEST_DEVIATION = 1e-14


def vary(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Whether numbers of this mean and variance vary, one by one."""
    varies: np.ndarray = np.sqrt(variance) > SMALLEST_DEVIATION * np.abs(mean)
    return varies


def mean_variance(mean: np.ndarray, variance: np.ndarray) -> float:
    """Mean over all features of their variance; 1 where all are constant.

    Args:
        mean: Array `[S]`.
        variance: Array `[S]`.
    """
    total = np.where(vary(mean, variance), variance, 0.0).sum()
    return float(total / max(len(mean), 1)) or 1.0


def scaled(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Centers features and divides all by one number.

    Args:
        features: Array `[N, S]`.

    Returns:
        Features of a mean of 0 and a mean variance of 1; their mean `[S]`
        before; and the number.
    """
    features, mean = centered(features)
    unit = np.sqrt(mean_variance(mean, np.square(features).mean(axis=0)))
    return features / unit, mean, float(unit)


def centered(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows less their mean, and the mean, float64."""
    # Less the first row, a constant column is exactly 0.
    first = rows[0].astype("float64")
    rows = rows - first
    mean = rows.mean(axis=0)
    return rows - mean, first + mean


def check_penalty(regularization: Any) -> None:
    """Raises unless a penalty is a finite number greater than 0."""
    is_number = isinstance(regularization, numbers.Real)
    if not is_number or not 0 < float(regularization) < math.inf:
        raise ValueError(
            "`regularization` must be a finite number greater than 0. "
            f"Received: regularization={regularization!r}"
        )
