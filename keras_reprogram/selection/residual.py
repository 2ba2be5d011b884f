"""Maps of class scores to logits, fitted to held-out scores."""

import dataclasses

import numpy as np

from keras_reprogram.outputs.logistic_regression import cross_entropy
from keras_reprogram.outputs.logistic_regression import minimize

PENALTY = 1.0  # in units of the mean squared score
ITERATIONS = 300
TEMPERATURES = np.geomspace(0.01, 10, 61)


def temperature_of(
    scores: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> float:
    """Returns the factor of scores with the lowest cross-entropy.

    ```
    softmax(factor * scores)
    ```

    Labels are smoothed as if a sample more had been of each class, so that
    scores without an error do not become certainty.

    Args:
        scores: Array `[N, T]` of held-out class scores.
        labels: Integer array `[N]`.
        weights: Array `[N]`.
    """
    unit = float(np.abs(scores - scores.mean(axis=1, keepdims=True)).mean())
    factors = 1 / (TEMPERATURES * (unit or 1.0))
    smoothing: float = 1 / (len(labels) + scores.shape[1])

    def loss(logits: np.ndarray) -> float:
        uniform = np.logaddexp.reduce(logits, axis=1) - logits.mean(axis=1)
        of_labels = cross_entropy(logits, labels, weights)
        return (1 - smoothing) * of_labels + smoothing * float(uniform.mean())

    losses = [loss(factor * scores) for factor in factors]
    return float(factors[int(np.argmin(losses))])


@dataclasses.dataclass(frozen=True, eq=False)
class ResidualMap:
    """A linear map of class scores, close to the scores themselves.

    ```
    logits = scores (I + E) + bias
    ```

    Args:
        matrix: Array `[T, T]`. `I + E`.
        bias: Array `[T]`.

    References:
        - [RVP](https://arxiv.org/abs/2609.36680)
    """

    matrix: np.ndarray
    bias: np.ndarray

    @classmethod
    def of_temperature(cls, factor: float, num_classes: int) -> "ResidualMap":
        """Returns the map that multiplies scores by a factor."""
        return cls(factor * np.eye(num_classes), np.zeros(num_classes))

    def logits(self, scores: np.ndarray) -> np.ndarray:
        """Returns logits `[N, T]` of scores `[N, T]`."""
        logits: np.ndarray = scores @ self.matrix + self.bias
        return logits

    @classmethod
    def fitted(
        cls, scores: np.ndarray, labels: np.ndarray, weights: np.ndarray
    ) -> "ResidualMap":
        """Fits `E` and the bias by the cross-entropy of held-out scores.

        `E` starts at zero and has an L2 penalty. The scores must be those of
        samples that the function behind them was not fitted to.

        Args:
            scores: Array `[N, T]` of class scores.
            labels: Integer array `[N]`.
            weights: Array `[N]`.
        """
        factor = temperature_of(scores, labels, weights)
        scores = factor * scores
        count, num_classes = scores.shape
        identity = np.eye(num_classes)
        targets = identity[labels]
        unit = float(np.square(scores).mean()) or 1.0
        penalty = PENALTY * count * unit

        def gradient(
            residual: np.ndarray, bias: np.ndarray
        ) -> tuple[np.ndarray, np.ndarray]:
            logits = scores @ (identity + residual) + bias
            logits = logits - logits.max(axis=1, keepdims=True)
            probabilities = np.exp(logits)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            errors = weights[:, None] * (probabilities - targets)
            return scores.T @ errors + penalty * residual, errors.sum(axis=0)

        # The Hessian is at most twice that of either alone, which has half
        # of the squared singular values.
        largest = float(weights.max())
        curvature = largest * float(np.linalg.norm(scores, 2)) ** 2 + penalty
        residual, bias = minimize(
            gradient,
            (np.zeros_like(identity), np.zeros(num_classes)),
            (np.full((num_classes, 1), curvature), largest * count),
            ITERATIONS,
        )
        return cls(factor * (identity + residual), bias)
