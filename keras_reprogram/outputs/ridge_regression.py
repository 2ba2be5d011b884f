"""Ridge regression, the initial value of a trained regression head."""

import dataclasses

import numpy as np

from keras_reprogram.outputs.checks import check_numbers
from keras_reprogram.outputs.cross_validation import CrossValidation
from keras_reprogram.outputs.cross_validation import Solution
from keras_reprogram.outputs.feature_scale import centered
from keras_reprogram.outputs.feature_scale import check_penalty
from keras_reprogram.outputs.feature_scale import mean_variance
from keras_reprogram.outputs.feature_scale import vary
from keras_reprogram.outputs.label_weights import check_weights

# In units of the features' mean variance.
CANDIDATES = 10.0 ** np.arange(-6, 2)


class RidgeStatistics:
    """Statistics for ridge regression, accumulated batch by batch.

    Stores the samples while they are fewer than features and targets, then the
    matrix of all products of features and targets, whose size and time to solve
    do not depend on the number of samples.

    Attributes:
        count: Integer. Number of samples with a weight above 0.
        total: Float. Sum of their weights.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.rows: list[np.ndarray] = []
        self.weights: list[np.ndarray] = []
        self.num_rows = 0

    def add(
        self,
        features: np.ndarray,
        targets: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> None:
        """Adds samples.

        Args:
            features: Array `[N, S]`.
            targets: Array `[N, T]`.
            sample_weight: Array `[N]` of weights of at least 0. A sample of
                weight 0 is left out. Defaults to `None`, for weights of 1.
        """
        rows = np.concatenate([features, targets], axis=1).astype("float64")
        weights = np.ones(len(rows))
        if sample_weight is not None:
            weights = np.asarray(sample_weight, "float64")
            rows, weights = rows[weights > 0], weights[weights > 0]
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
        self.total += weights.sum()
        self.sums += weights @ rows
        self.squares += weights @ np.square(rows)
        self.rows.append(rows)
        self.weights.append(weights)
        self.num_rows += len(rows)
        if self.num_rows >= len(self.shift):
            self.multiply_rows()

    def of_targets(self, targets: list[int]) -> "RidgeStatistics":
        """Returns the statistics of some of the targets, to be added to."""
        chosen = RidgeStatistics()
        if not self.count:
            return chosen
        size = self.num_features
        columns = [*range(size), *(size + index for index in targets)]
        chosen.count, chosen.total = self.count, self.total
        chosen.num_features, chosen.num_rows = size, self.num_rows
        chosen.shift, chosen.sums, chosen.squares = (
            each[columns] for each in (self.shift, self.sums, self.squares)
        )
        chosen.rows = [rows[:, columns] for rows in self.rows]
        chosen.weights = list(self.weights)
        chosen.products = self.products
        if self.products is not None:
            chosen.products = self.products[np.ix_(columns, columns)]
        return chosen

    def multiply_rows(self) -> None:
        """Replaces stored rows by their products."""
        if not self.rows:
            return
        rows, weights = np.concatenate(self.rows), np.concatenate(self.weights)
        products = rows.T @ (weights[:, None] * rows)
        if self.products is not None:
            products += self.products
        self.products = products
        self.rows, self.weights, self.num_rows = [], [], 0

    def decomposition(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the features' principal components.

        Returns:
            The variances `[R]`, the axes `[S, R]`, and the targets'
            covariances with the features along the axes, `[R, T]`.
        """
        mean, size = self.sums / self.total, self.num_features
        if self.products is None:
            rows = np.concatenate(self.rows) - mean
            rows *= np.sqrt(np.concatenate(self.weights))[:, None]
            left, singular, right = np.linalg.svd(
                rows[:, :size], full_matrices=False
            )
            loads = singular[:, None] * (left.T @ rows[:, size:])
            return singular**2 / self.total, right.T, loads / self.total
        self.multiply_rows()
        covariance = self.products / self.total - np.outer(mean, mean)
        variances, axes = np.linalg.eigh(covariance[:size, :size])
        return variances.clip(0), axes, axes.T @ covariance[:size, size:]

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the mean and variance of features and targets together."""
        mean = self.sums / self.total
        variance = (self.squares / self.total - mean**2).clip(0)
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

    def solve(self, regularization: float | None = None) -> Solution:
        """Returns weights `[S, T]` and bias `[T]` that predict the targets.

        Args:
            regularization: As for `ridge_regression`.
        """
        mean, variance = self.moments()
        size = self.num_features
        unit = mean_variance(mean[:size], variance[:size])
        variances, axes, loads = self.decomposition()
        chosen_by = None
        if regularization is None:
            chosen_by = self.generalized_cross_validation(
                variances, loads, unit
            )
            regularization = chosen_by.chosen
        penalty = regularization * unit
        weights = axes @ (loads / (variances + penalty)[:, None])
        return Solution(weights, mean[size:] - mean[:size] @ weights, chosen_by)

    def generalized_cross_validation(
        self, variances: np.ndarray, loads: np.ndarray, unit: float
    ) -> CrossValidation:
        """Returns the estimated test error of each penalty.

        It is the mean squared error of standardized targets. The number of
        samples in it is that of samples with a weight: a factor of all weights
        changes nothing.
        """
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
            scores.append(max(error, 0.0) / left**2 / max(len(scale), 1))
        # The strongest of several that are equally good.
        best = len(scores) - 1 - int(np.argmin(scores[::-1]))
        return CrossValidation(
            CANDIDATES.tolist(),
            np.reshape(scores, (-1, 1)),
            best,
            score="estimated squared error",
        )


class RidgeOfKnownTargets:
    """Statistics for ridge regressions on targets that may be missing.

    While all targets are known, they share their statistics. From the first
    target of NaN on, each target has its own, of the samples in which it is
    known.

    Args:
        num_targets: Integer. Number of targets, `T`.
    """

    def __init__(self, num_targets: int) -> None:
        self.num_targets = num_targets
        # Of the features and no target, then of each target.
        self.features = RidgeStatistics()
        self.shared = RidgeStatistics()
        self.single: list[RidgeStatistics] | None = None

    @property
    def parts(self) -> list[RidgeStatistics]:
        """The statistics of all targets, in their order."""
        return [self.shared] if self.single is None else self.single

    @property
    def count(self) -> int:
        """Number of samples of the target that has the fewest."""
        return min(part.count for part in self.parts)

    def add(
        self,
        features: np.ndarray,
        targets: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> None:
        """Adds samples.

        Args:
            features: Array `[N, S]`.
            targets: Array `[N, T]`, NaN for missing ones.
            sample_weight: As for `RidgeStatistics.add`.
        """
        missing = np.isnan(targets)
        if self.single is None and not missing.any():
            self.shared.add(features, targets, sample_weight)
            return
        if self.single is None:
            self.features = self.shared.of_targets([])
            self.single = [
                self.shared.of_targets([index])
                for index in range(self.num_targets)
            ]
        self.features.add(features, targets[:, :0], sample_weight)
        for index, statistics in enumerate(self.single):
            known = ~missing[:, index]
            statistics.add(
                features[known],
                targets[known, index : index + 1],
                None if sample_weight is None else sample_weight[known],
            )

    def target_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the targets' means and deviations, 1 for a constant."""
        means, scales = zip(*(part.target_scale() for part in self.parts))
        return np.concatenate(means), np.concatenate(scales)

    def source_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the features' means and deviations, 1 for a constant."""
        shared = self.shared if self.single is None else self.features
        return shared.source_scale()

    def solve(self, regularization: float | None = None) -> Solution:
        """Returns weights `[S, T]` and bias `[T]` that predict the targets.

        One penalty is chosen for all targets, by the mean of their scores.

        Args:
            regularization: As for `ridge_regression`.
        """
        solutions = [part.solve(regularization) for part in self.parts]
        found = [
            each.cross_validation
            for each in solutions
            if each.cross_validation is not None
        ]
        chosen_by = found[0] if found else None
        if len(found) > 1:
            scores = np.mean([np.ravel(each.scores) for each in found], axis=0)
            best = len(scores) - 1 - int(np.argmin(scores[::-1]))
            chosen_by = dataclasses.replace(
                found[0], scores=scores[:, None], chosen_index=best
            )
            solutions = [part.solve(chosen_by.chosen) for part in self.parts]
        return Solution(
            np.concatenate([each.matrix for each in solutions], axis=1),
            np.concatenate([each.bias for each in solutions]),
            chosen_by,
        )


def ridge_regression(
    features: np.ndarray,
    targets: np.ndarray,
    regularization: float | None = None,
    sample_weight: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Fits `features @ weights + bias` to numbers, in closed form.

    ```
    weights = (X^T X / N + regularization * v)^-1  X^T Y / N
    ```

    with centered `X` and `Y`, and `v` the mean variance of the features. The
    bias is not penalized, and predictions do not depend on the unit of the
    features. Sample weights weight all means: a weight of 2 is a sample that
    occurs twice, a weight of 0 one that does not, and a factor of all weights
    changes nothing. This minimizes half the mean squared error plus
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
        sample_weight: Array `[N]` of weights of the samples, of at least 0.
            Generalized cross-validation takes their number, not their sum, for
            the number of samples. Defaults to `None`, for equal weights.

    Returns:
        The weights `[S, T]` and the bias `[T]`, float64.

    Raises:
        ValueError: If features or targets are not finite or their shapes do not
            match, the penalty is not greater than 0, or no weight is.

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
    weights = None
    if sample_weight is not None:
        weights = check_weights(sample_weight)
        if weights.shape != (len(features),) or not weights.any():
            raise ValueError(
                "`sample_weight` must hold one weight for each sample, and one "
                f"above 0. Received: weights of {weights.shape} for "
                f"{len(features)} samples"
            )
    statistics = RidgeStatistics()
    statistics.add(features, targets, weights)
    weights_of_features, bias, _ = statistics.solve(regularization)
    return weights_of_features, bias
