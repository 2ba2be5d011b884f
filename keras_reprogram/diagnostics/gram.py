"""The spectrum of features, from the smaller of their two products."""

from typing import NamedTuple

import numpy as np


class Spectrum(NamedTuple):
    """Left singular vectors and squared singular values of features.

    Attributes:
        values: Array `[R]`. Squared singular values greater than zero, the
            largest first.
        axes: Array `[N, R]`. The left singular vectors.
    """

    values: np.ndarray
    axes: np.ndarray


def spectrum(features: np.ndarray) -> Spectrum:
    """Decomposes features `[N, D]`, in time that is linear in the larger axis.

    Args:
        features: Array `[N, D]` in float64.
    """
    samples, size = features.shape
    wide = samples <= size
    product = features @ features.T if wide else features.T @ features
    values, axes = np.linalg.eigh(product)
    # Smaller ones are rounding errors.
    smallest = values[-1] * max(samples, size) * np.finfo("float64").eps
    keep = np.flatnonzero(values > max(smallest, 0.0))[::-1]
    values, axes = values[keep], axes[:, keep]
    if not wide:
        axes = features @ (axes / np.sqrt(values))
    return Spectrum(values, axes)
