"""Ridge regression, the initial value of a trained regression head."""

import numpy as np

from keras_reprogram.outputs.checks import check_numbers
from keras_reprogram.outputs.feature_scale import centered
from keras_reprogram.outputs.feature_scale import check_penalty
from keras_reprogram.outputs.feature_scale import mean_variance
from keras_reprogram.outputs.feature_scale import vary

# In units of the features' mean variance.
CANDIDATES = 10.0 ** np.arange(-6, 2)


class RidgeStatistics:
    """Statistics for ridge regression, accumulated batch by batch.

    Stores the samples while they are fewer than features and targets, then the
    matrix of all products of features and targets, whose size and time to solve
    do not depend on the number of samples.
    """

    def __init__(self) -> None:
        self.count = 0
        self.rows: list[np.ndarray] = []
        self.num_rows = 0

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
            # Subtract a mean, because a large one reduces the precision.
            _, self.shift = centered(rows)
            self.sums = np.zeros(len(self.shift))
            self.squares = np.zeros(len(self.shift))
            self.products: np.ndarray | None = None
        rows -= self.shift
        self.count += len(rows)
        self.sums += rows.sum(axis=0)
        self.squares += np.square(rows).sum(axis=0)
        self.rows.append(rows)
        self.num_rows += len(rows)
        if self.num_rows >= len(self.shift):
            self.multiply_rows()

    def multiply_rows(self) -> None:
        """Replaces stored rows by their products."""
        if not self.rows:
            return
        (rows,) = self.rows if len(self.rows) == 1 else [np.vstack(self.rows)]
        products = rows.T @ rows
        if self.products is not None:
            products += self.products
        self.products = products
        self.rows, self.num_rows = [], 0

    def decomposition(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the features' principal components.

        Returns:
            The variances `[R]`, the axes `[S, R]`, and the targets'
            covariances with the features along the axes, `[R, T]`.
        """
        mean, size = self.sums / self.count, self.num_features
        if self.products is None:
            rows = np.concatenate(self.rows) - mean
            left, singular, right = np.linalg.svd(
                rows[:, :size], full_matrices=False
            )
            loads = singular[:, None] * (left.T @ rows[:, size:])
            return singular**2 / self.count, right.T, loads / self.count
        self.multiply_rows()
        covariance = self.products / self.count - np.outer(mean, mean)
        variances, axes = np.linalg.eigh(covariance[:size, :size])
        return variances.clip(0), axes, axes.T @ covariance[:size, size:]

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the mean and variance of features and targets together."""
        mean = self.sums / self.count
        variance = (self.squares / self.count - mean**2).clip(0)
        return mean + self.shift, variance

    def target_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the targets' means and deviations, 1 for a constant."""
        mean, scale = self.scale()
        return mean[self.num_features :], scale[self.num_features :]

    def source_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the features' means and deviations, 1 for a constant."""
        mean, scale = self.scale()
        return mean[: self.num_features], scale[: self.num_features]

    def scale(self) -> tuple[np.ndarray, np.ndarray]:
        mean, variance = self.moments()
        return mean, np.where(vary(mean, variance), np.sqrt(variance), 1.0)

    def solve(
        self, regularization: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns weights `[S, T]` and bias `[T]` that predict the targets.

        Args:
            regularization: As for `ridge_regression`.
        """
        mean, variance = self.moments()
        size = self.num_features
        unit = mean_variance(mean[:size], variance[:size])
        variances, axes, loads = self.decomposition()
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
        """Returns the penalty with the lowest estimated test error."""
        _, scale = self.target_scale()
        _, variance = self.moments()
        loads = loads / scale
        total = variance[self.num_features :] / scale**2
        scores = []
        for penalty in CANDIDATES * unit:
            shrunk = (variances + 2 * penalty) / (variances + penalty) ** 2
            error = total.sum() - (loads**2 * shrunk[:, None]).sum()
            used = 1 + (variances / (variances + penalty)).sum()
            left = max(1 - used / self.count, 1e-6)
            scores.append(max(error, 0.0) / left**2)
        # The strongest of several that are equally good.
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

    with centered `X` and `Y`, and `v` the mean variance of the features. The
    bias is not penalized, and predictions do not depend on the unit of the
    features. This minimizes half the mean squared error plus
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
        regularization: Float greater than 0. Strength of the L2 penalty, in
            units of the mean variance of the features,
            `features.var(axis=0).mean()`. Scikit-learn's `alpha` is
            `N * regularization * features.var(axis=0).mean()`. Defaults to
            `None`, which selects the best of eight by generalized
            cross-validation.

    Returns:
        The weights `[S, T]` and the bias `[T]`, float64.

    Raises:
        ValueError: If features or targets are not finite or their shapes do not
            match, or the penalty is not greater than 0.

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
