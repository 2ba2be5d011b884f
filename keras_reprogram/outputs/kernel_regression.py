"""Linear regressions in kernel form, for more features than samples.

A regression with an L2 penalty depends on features by the inner products of
samples alone, `K = X X^T`, and its weights are a combination of the samples:

```
scores(x) = X_train^T a . x + bias = k(x) a + bias
```

With few samples and many features this is cheap: features of several stages,
canvases and sources enter as a sum of their matrices, `K = sum_b K_b`, each
scaled to a unit mean norm, and any subset of them, any penalty and any fold is
solved without another pass over the features.
"""

from collections.abc import Sequence
from typing import NamedTuple
from typing import Protocol

import numpy as np

from keras_reprogram.outputs.logistic_regression import regularization_path

RIDGE_PENALTIES = tuple(np.logspace(-6, 0, 13).tolist())
LOGISTIC_PENALTIES = tuple(np.logspace(-6, -1, 6).tolist())
ITERATIONS = 100  # of a logistic regression, for each penalty
# Eigenvalues below this share of the largest are rounding errors.
SMALLEST_EIGENVALUE = 1e-10


class Dual(NamedTuple):
    """A linear function of features, as a combination of samples.

    Attributes:
        coefficients: Array `[N, T]`.
        bias: Array `[T]`.
    """

    coefficients: np.ndarray
    bias: np.ndarray

    def scores(self, kernel: np.ndarray) -> np.ndarray:
        """Returns scores `[M, T]`, given inner products `[M, N]`."""
        scores: np.ndarray = kernel @ self.coefficients + self.bias
        return scores

    def weights(
        self, features: np.ndarray, scales: np.ndarray | float = 1.0
    ) -> np.ndarray:
        """Returns the function's weights `[S, T]`.

        Args:
            features: Array `[N, S]`. The samples that it was fitted to.
            scales: Array `[S]` by which features were multiplied for the inner
                products. Defaults to `1.0`.
        """
        products = np.asarray(features, "float64").T @ self.coefficients
        weights: np.ndarray = np.square(scales)[..., None] * products
        return weights


class Solver(Protocol):
    """Fits a function for each of several penalties."""

    def __call__(
        self,
        kernel: np.ndarray,
        labels: np.ndarray,
        num_classes: int,
        penalties: Sequence[float],
        sample_weight: np.ndarray | None = None,
    ) -> list[Dual]: ...


def unit_norm(block: np.ndarray) -> float:
    """Returns the factor that scales a block to a mean norm of 1.

    The norm is that of the centered features: a constant offset, which a bias
    replaces, would otherwise decide how much a block counts.

    Args:
        block: Array `[N, S]`.
    """
    centered = np.asarray(block, "float64")
    centered = centered - centered.mean(axis=0)
    norm = float(np.linalg.norm(centered, axis=1).mean())
    return 1 / norm if norm > 0 else 1.0


def weighted(sample_weight: np.ndarray | None, num_samples: int) -> np.ndarray:
    """Returns weights with a mean of 1."""
    if sample_weight is None:
        return np.ones(num_samples)
    weights = np.asarray(sample_weight, "float64")
    scaled: np.ndarray = weights * (num_samples / weights.sum())
    return scaled


class Problem:
    """A weighted ridge regression, decomposed once for all penalties.

    Args:
        kernel: Array `[N, N]`. Inner products of the samples.
        targets: Array `[N, T]`.
        weights: Array `[N]` with a mean of 1.
    """

    def __init__(
        self, kernel: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> None:
        count = len(kernel)
        self.weights = weights
        self.mean = weights @ targets / count
        self.averages = averages = kernel @ weights / count
        average = weights @ averages / count
        centered = kernel - averages - averages[:, None] + average
        self.root = np.sqrt(weights)
        values, self.vectors = np.linalg.eigh(
            self.root[:, None] * centered * self.root
        )
        self.values = values.clip(0)
        self.unit = self.values.sum() or 1.0
        self.targets = self.root[:, None] * (targets - self.mean)
        self.loads = self.vectors.T @ self.targets

    def dual(self, penalty: float) -> Dual:
        """Returns the function that a penalty leads to."""
        shrunk = self.loads / (self.values + penalty * self.unit)[:, None]
        coefficients = self.root[:, None] * (self.vectors @ shrunk)
        return Dual(coefficients, self.mean - self.averages @ coefficients)


def ridge(
    kernel: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    penalties: Sequence[float] = RIDGE_PENALTIES,
    sample_weight: np.ndarray | None = None,
) -> list[Dual]:
    """Fits ridge regressions to one-hot labels.

    ```
    sum_i w_i ||y_i - f(x_i)||^2 / N + penalty * u * ||f||^2
    ```

    with `u` the mean squared norm of the centered samples, `tr(K) / N`.

    Args:
        kernel: Array `[N, N]`. Inner products of the samples.
        labels: Integer array `[N]`, or numbers `[N, T]`.
        num_classes: Integer. `T`.
        penalties: Sequence of floats greater than 0.
        sample_weight: Array `[N]` of weights. Defaults to `None`, all equal.

    Returns:
        A `Dual` for each penalty.
    """
    targets = (
        np.asarray(labels, "float64")
        if np.ndim(labels) == 2
        else np.eye(num_classes)[labels]
    )
    weights = weighted(sample_weight, len(kernel))
    problem = Problem(kernel, targets, weights)
    return [problem.dual(penalty) for penalty in penalties]


def logistic(
    kernel: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    penalties: Sequence[float] = LOGISTIC_PENALTIES,
    sample_weight: np.ndarray | None = None,
) -> list[Dual]:
    """Fits multinomial logistic regressions.

    ```
    sum_i w_i cross_entropy_i / N + penalty / 2 * u * ||f||^2
    ```

    with `u` as for `ridge`.

    Args:
        kernel: Array `[N, N]`. Inner products of the samples.
        labels: Integer array `[N]`.
        num_classes: Integer. `T`.
        penalties: Sequence of floats greater than 0.
        sample_weight: Array `[N]` of weights. Defaults to `None`, all equal.

    Returns:
        A `Dual` for each penalty.
    """
    averages = kernel.mean(axis=1)
    centered = kernel - averages - averages[:, None] + averages.mean()
    eigenvalues, vectors = np.linalg.eigh(centered)
    large = eigenvalues > SMALLEST_EIGENVALUE * max(eigenvalues[-1], 1e-300)
    vectors, roots = vectors[:, large], np.sqrt(eigenvalues[large])
    if not len(roots):  # Samples without a difference: a bias alone.
        vectors, roots = np.zeros((len(kernel), 1)), np.ones(1)
    order = np.argsort(penalties)[::-1]  # of falling penalties: warm starts
    path = regularization_path(
        vectors * roots,
        labels,
        num_classes,
        # In units of the mean variance of the features.
        [penalties[index] * len(roots) for index in order],
        ITERATIONS,
        sample_weight,
    )
    found: list[Dual] = [Dual(np.empty(0), np.empty(0))] * len(penalties)
    for index, (weights, bias) in zip(order, path):
        coefficients = vectors @ (weights / roots[:, None])
        found[index] = Dual(coefficients, bias - averages @ coefficients)
    return found
