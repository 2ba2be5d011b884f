"""Bayesian mappings (BLM, BLM+)."""

import dataclasses

import numpy as np
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.outputs.checks import check_statistics
from keras_reprogram.outputs.mappings.mapping import UpdatedMapping
from keras_reprogram.typing import Tensor


@serializable
@dataclasses.dataclass(frozen=True)
class BayesianMapping(UpdatedMapping):
    """BLM: weights every source class by Bayes' rule.

    ```
    weight[s, t] = statistics[s, t] / (sum_t statistics[s, t] + smoothing)
    matrix[s, t] = weight[s, t] / sum_s weight[s, t]
    ```

    with the statistics of `FrequencyMapping`. A target class without samples
    gets the mean of all source classes. Bayes' rule takes the frequencies of
    the target classes in the data as their prior distribution; class weights
    multiply it, and `class_weight="balanced"` makes it uniform. Sample weights
    count as numbers of samples beside `smoothing`.

    Args:
        update_every: Integer. Number of epochs or steps between two
            solutions. Defaults to `1`.
        update_unit: String. `"epoch"` or `"step"`. Defaults to `"epoch"`.
        smoothing: Float, at least 0. Laplace smoothing of the counts.
            Defaults to `1.0`.

    References:
        - [Bayesian-guided label mapping](https://arxiv.org/abs/2410.24018)
    """

    update_every: int = 1
    update_unit: str = "epoch"
    smoothing: float = 1.0

    def __post_init__(self) -> None:
        self.check_updates()
        self.set_fields(smoothing=number("smoothing", self.smoothing, 0.0))

    def matrix(
        self, statistics: np.ndarray, sources_per_target: int = 1
    ) -> np.ndarray:
        statistics = check_statistics(statistics)
        totals = statistics.sum(axis=1, keepdims=True) + self.smoothing
        matrix: np.ndarray = statistics / np.where(totals > 0, totals, 1.0)
        sums = matrix.sum(axis=0)
        matrix[:, sums == 0] = 1.0
        matrix /= matrix.sum(axis=0)
        return matrix


@serializable
@dataclasses.dataclass(frozen=True)
class BayesianPlusMapping(BayesianMapping):
    """BLM+: as BLM, from the `top_k` largest probabilities of each sample.

    ```
    statistics[s, t] = sum of softmax(logits)[s] over samples of class t
                       that have s among their top_k classes
    ```

    Args:
        update_every: Integer. Number of epochs or steps between two
            solutions. Defaults to `1`.
        update_unit: String. `"epoch"` or `"step"`. Defaults to `"epoch"`.
        smoothing: Float, at least 0. Laplace smoothing of the sums. Defaults
            to `1.0`.
        top_k: Integer. Number of source classes that count for a sample.
            Defaults to 15 % of the number of target classes, as in the paper,
            and at least 1.

    References:
        - [Bayesian-guided label mapping](https://arxiv.org/abs/2410.24018)
    """

    top_k: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.top_k is not None:
            self.set_fields(top_k=positive_integer("top_k", self.top_k))

    def contribution(
        self, logits: Tensor, num_classes: int
    ) -> tuple[Tensor, Tensor]:
        count = self.top_k or int(0.15 * num_classes)
        count = min(max(count, 1), logits.shape[-1])
        probabilities = ops.softmax(ops.cast(logits, "float32"), axis=-1)
        weights, sources = ops.top_k(probabilities, count)
        return sources, weights
