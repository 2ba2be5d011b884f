"""The terms of a bound on the risk of a reprogrammed classifier."""

import dataclasses
import math

import numpy as np

from keras_reprogram.configurable import boolean
from keras_reprogram.diagnostics.distances import checked_pair
from keras_reprogram.diagnostics.distances import euclidean_distances
from keras_reprogram.diagnostics.distances import least_mean_cost
from keras_reprogram.diagnostics.distances import sliced_constant
from keras_reprogram.diagnostics.distances import sliced_wasserstein
from keras_reprogram.models import batches
from keras_reprogram.representation import constructor_call
from keras_reprogram.typing import Tensor

# The distance of two vectors of probabilities is no larger.
LARGEST_LOSS = math.sqrt(2.0)


@dataclasses.dataclass(frozen=True)
class RiskBound:
    """The terms that `risk_bound` returns.

    Attributes:
        source_risk: Float. The source's mean loss on its own samples.
        target_risk: Float. The mean loss on reprogrammed target samples.
        num_classes: Integer. Number of source classes.
        distance: Float. The Wasserstein-1 distance of the logits, or a lower
            bound of it.
        is_exact: Boolean. Whether `distance` is exact for these samples.
        labeled_bound: Float. A bound that holds with labels, or `None` unless
            the distance is exact.
    """

    source_risk: float
    target_risk: float
    num_classes: int
    distance: float
    is_exact: bool
    labeled_bound: float | None = None

    __repr__ = constructor_call

    @property
    def bound(self) -> float:
        """The theorem's bound, `source_risk + 2 sqrt(K) distance`."""
        factor = 2 * math.sqrt(self.num_classes)
        return self.source_risk + factor * self.distance

    @property
    def is_vacuous(self) -> bool:
        """Whether no loss is larger than the bound, whatever the model."""
        return self.bound >= LARGEST_LOSS


def risk_bound(
    source_logits: Tensor,
    source_labels: Tensor,
    target_logits: Tensor,
    target_labels: Tensor,
    exact: bool = False,
    num_projections: int = 128,
    seed: int = 0,
) -> RiskBound:
    """Returns the terms of Voice2Series's bound on the risk (Theorem 1).

    ```
    E[l(x_t + delta, y_t)] <= E[l(x_s, y_s)]
                              + 2 sqrt(K) W1({z(x_t + delta)}, {z(x_s)})
    l(x, y) = |softmax(z(x)) - onehot(y)|      Euclidean, 0 to sqrt(2)
    ```

    `z` are the source's logits of `K` classes, before a softmax. The theorem
    assumes that

    - every target class stands for one source class, no two for the same:
      `target_labels` are these source classes, as of a label map with
      `"identity"`, `"random"`, `"frequency"` or `"iterative"`. It does not
      apply to a trained label map;
    - the loss is the one above. It is neither the cross-entropy nor the share
      of errors;
    - labels go with logits as they do for the source. The distance is one of
      logits alone: if outputs are distributed as the source's and labels are
      permuted, it is 0 and the target risk large, **above** the bound.

    The theorem is about the distributions, and all terms here are of samples:

    - `exact=False`: `distance` is `SW1 / c`, the sliced distance over the mean
      length of a unit vector's projection, which is no larger than `W1` of the
      samples, up to the error of a mean over `num_projections` directions. A
      bound that is vacuous with it is vacuous with `W1`; one that is not may
      be either.
    - `exact=True`: `distance` is `W1` of the samples, and needs SciPy and as
      many target as source samples (up to 1,000 take a second). It is above
      that of the distributions on average. There is also a bound with labels,

    ```
    labeled_bound = source_risk + min over permutations s of
        mean_i (|p_i - p'_s(i)| + sqrt(2) [y_i is not y'_s(i)])
    ```

    of probabilities and labels `(p, y)` of the source and `(p', y')` of the
    target. By the triangle inequality it holds for these samples without an
    assumption.

    Example:

    ```python
    labels = np.arange(60) % 3
    source_logits = np.random.normal(size=(60, 3)) + 4.0 * np.eye(3)[labels]
    terms = keras_reprogram.diagnostics.risk_bound(
        source_logits, labels, 0.9 * source_logits, labels
    )
    terms.source_risk, terms.target_risk, terms.bound, terms.is_vacuous
    ```

    With a model whose source returns logits, `target_logits` is
    `model.predict_source(x)`, and `target_labels` is `chosen[y]`, where
    `chosen` is `keras.ops.argmax(model.label_mapper.matrix, axis=0)`.

    Args:
        source_logits: Array `[M, K]`. The source's logits on its own samples,
            which it was not trained on.
        source_labels: Array `[M]` of integers. Their classes.
        target_logits: Array `[N, K]`. The source's logits on reprogrammed
            target samples.
        target_labels: Array `[N]` of integers. The source classes that their
            classes stand for.
        exact: Boolean. Whether the distance is computed exactly. Defaults to
            `False`.
        num_projections: Integer. Number of directions of the sliced distance.
            Defaults to `128`.
        seed: Integer. Seed of the directions. Defaults to `0`.

    Returns:
        A `RiskBound`.

    Raises:
        ValueError: If outputs are probabilities or of one class, labels are
            not source classes, or `exact` and the numbers of samples differ.

    References:
        - [Voice2Series](https://arxiv.org/abs/2106.09296)
    """
    source_logits, target_logits = checked_pair(source_logits, target_logits)
    check_logits("source_logits", source_logits)
    check_logits("target_logits", target_logits)
    source_labels = classes("source_labels", source_labels, source_logits)
    target_labels = classes("target_labels", target_labels, target_logits)
    source_risk = risk(source_logits, source_labels)
    labeled_bound = None
    if boolean("exact", exact):
        costs = euclidean_distances(source_logits, target_logits)
        distance = least_mean_cost(costs)
        is_other = source_labels[:, None] != target_labels
        costs = euclidean_distances(
            probabilities(source_logits), probabilities(target_logits)
        )
        costs += LARGEST_LOSS * is_other
        labeled_bound = source_risk + least_mean_cost(costs)
    else:
        distance = sliced_wasserstein(
            source_logits, target_logits, num_projections, seed
        ) / sliced_constant(source_logits.shape[1])
    return RiskBound(
        source_risk=source_risk,
        target_risk=risk(target_logits, target_labels),
        num_classes=source_logits.shape[1],
        distance=distance,
        is_exact=bool(exact),
        labeled_bound=labeled_bound,
    )


def risk(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean distance of probabilities from the labels' one-hot."""
    errors = probabilities(logits)
    errors[np.arange(len(labels)), labels] -= 1.0
    return float(np.linalg.norm(errors, axis=1).mean())


def probabilities(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return softmax


def check_logits(name: str, logits: np.ndarray) -> None:
    is_probability = (logits >= 0).all() and np.allclose(
        logits.sum(axis=1), 1.0, atol=1e-3
    )
    if logits.shape[1] < 2 or is_probability:
        raise ValueError(
            f"`{name}` must be logits of at least two classes. Of a source "
            "that returns probabilities, pass their logarithms. Received: "
            f"{name} of shape {logits.shape}, from {logits.min():.3g} to "
            f"{logits.max():.3g}"
        )


def classes(name: str, labels: Tensor, logits: np.ndarray) -> np.ndarray:
    """Returns labels as integers, one for each row of logits, checked."""
    values = batches.to_numpy(labels)
    size, num_classes = logits.shape
    is_valid = (
        values.shape == (size,)
        and values.dtype.kind in "iuf"
        and bool(np.isin(values, np.arange(num_classes)).all())
    )
    if not is_valid:
        raise ValueError(
            f"`{name}` must be a source class, 0 to {num_classes - 1}, for "
            f"each of the {size} samples. Received: {name} of shape "
            f"{values.shape} and dtype {values.dtype}"
        )
    return values.astype("int64")
