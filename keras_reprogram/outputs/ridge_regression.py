"""Ridge regression, where a trained regression head starts."""

import numpy as np

from keras_reprogram.outputs.feature_scale import centered
from keras_reprogram.outputs.feature_scale import check_penalty
from keras_reprogram.outputs.feature_scale import mean_variance
from keras_reprogram.outputs.feature_scale import vary
from keras_reprogram.outputs.mappings import check_numbers

# In units of the features' mean variance.
CANDIDATES = 10.0 ** np.arange(-6, 2)


class RidgeStatistics:
    """What ridge regression needs of data, gathered batch by batch.

    One matrix of products of all features and targets with each other: its
    size does not depend on the number of samples.
    """

    def __init__(self) -> None:
        self.count = 0

    def add(self, features: np.ndarray, targets: np.ndarray) -> None:
        """Adds samples.

        Args:
            features: Array `[N, S]`.
            targets: Array `[N, T]`.
        """
        rows = np.concatenate([features, targets], axis=1).astype("float64")
        if not len(rows):
            return
        if not self.count:
            self.num_features = features.shape[1]
            # A mean that is far from zero would take the digits of the rest.
            _, self.shift = centered(rows)
            self.sums = np.zeros(len(self.shift))
            self.products = np.zeros((len(self.shift), len(self.shift)))
        rows -= self.shift
        self.count += len(rows)
        self.sums += rows.sum(axis=0)
        self.products += rows.T @ rows

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of features and targets together."""
        mean = self.sums / self.count
        covariance = self.products / self.count - np.outer(mean, mean)
        return mean + self.shift, covariance

    def target_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of every target; 1 for a constant."""
        mean, scale = self.scale()
        return mean[self.num_features :], scale[self.num_features :]

    def source_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """The same of every feature."""
        mean, scale = self.scale()
        return mean[: self.num_features], scale[: self.num_features]

    def scale(self) -> tuple[np.ndarray, np.ndarray]:
        mean, covariance = self.moments()
        variance = np.diag(covariance).clip(0)
        deviation = np.sqrt(variance)
        return mean, np.where(vary(mean, variance), deviation, 1.0)

    def solve(
        self, regularization: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights `[S, T]` and bias `[T]` that predict the targets.

        Args:
            regularization: As for `ridge_regression`.
        """
        mean, covariance = self.moments()
        size = self.num_features
        unit = mean_variance(mean[:size], np.diag(covariance)[:size].clip(0))
        variances, axes = np.linalg.eigh(covariance[:size, :size])
        variances = variances.clip(0)
        loads = axes.T @ covariance[:size, size:]
        if regularization is None:
            regularization = self.generalized_cross_validation(
                variances, loads, unit
            )
        penalty = regularization * unit
        weights = axes @ (loads / (variances + penalty)[:, None])
        return weights, mean[size:] - mean[:size] @ weights

    def generalized_cross_validation(
        self, variances: np.ndarray, loads: np.ndarray, unit: float
    ) -> float:
        """The penalty with the lowest estimate of the error on other data."""
        _, scale = self.target_scale()
        _, covariance = self.moments()
        loads = loads / scale
        total = np.diag(covariance)[self.num_features :] / scale**2
        scores = []
        for penalty in CANDIDATES * unit:
            shrunk = (variances + 2 * penalty) / (variances + penalty) ** 2
            error = total.sum() - (loads**2 * shrunk[:, None]).sum()
            used = 1 + (variances / (variances + penalty)).sum()
            left = max(1 - used / self.count, 1e-6)
            scores.append(max(error, 0.0) / left**2)
        # Where several are as good, the strongest.
        best = len(scores) - 1 - int(np.argmin(scores[::-1]))
        return float(CANDIDATES[best])


def ridge_regression(
    features: np.ndarray,
    targets: np.ndarray,
    regularization: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Fits `features @ weights + bias` to numbers, in closed form.

    ```
    weights = (X^T X / N + regularization * v)^-1  X^T Y / N
    ```

    with `X` and `Y` less their means, and `v` the mean variance of the
    features: the bias is free, and predictions do not depend on the unit of
    the features. This minimizes half the mean squared error plus
    `regularization * v / 2` times the squared norm of the weights.

    Example:

    ```python
    features = np.random.default_rng(0).normal(size=(50, 4))
    targets = features @ np.array([[1.0], [2.0], [0.0], [-1.0]]) + 3
    weights, bias = ridge_regression(features, targets)
    bias  # about [3.]
    ```

    Args:
        features: Array `[N, S]` of finite numbers.
        targets: Array `[N, T]` of finite numbers.
        regularization: Strength of the L2 penalty, greater than 0, in units
            of the mean variance of the features,
            `features.var(axis=0).mean()`. Left out, the best of eight by
            generalized cross-validation. Scikit-learn's `alpha` is `N *
            regularization * features.var(axis=0).mean()`.

    Returns:
        The weights `[S, T]` and the bias `[T]`, float64.

    Raises:
        ValueError: If features or targets are not finite or do not fit
            together, or the penalty is not greater than 0.

    References:
        - Golub, Heath and Wahba 1979, "Generalized cross-validation as a
          method for choosing a good ridge parameter"
    """
    if regularization is not None:
        check_penalty(regularization)
    features = check_numbers("features", features)
    targets = check_numbers("targets", targets)
    if (
        features.ndim != 2
        or targets.ndim != 2
        or len(features) != len(targets)
        or not len(features)
    ):
        raise ValueError(
            "`features` must have the shape [N, S] and `targets` the shape "
            "[N, T], with at least one sample. Received: features of "
            f"{features.shape}, targets of {targets.shape}"
        )
    statistics = RidgeStatistics()
    statistics.add(features, targets)
    return statistics.solve(regularization)
