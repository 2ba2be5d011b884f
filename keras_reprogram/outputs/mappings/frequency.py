"""Mappings from the most frequently predicted source classes (FLM, ILM)."""

import dataclasses

import numpy as np

from keras_reprogram.configurable import serializable
from keras_reprogram.outputs.checks import check_statistics
from keras_reprogram.outputs.mappings.mapping import SourceSelection
from keras_reprogram.outputs.mappings.mapping import StatisticsMapping
from keras_reprogram.outputs.mappings.mapping import UpdatedMapping
from keras_reprogram.outputs.mappings.selection import select_largest


@serializable
@dataclasses.dataclass(frozen=True)
class FrequencyMapping(SourceSelection, StatisticsMapping):
    """FLM: maps the most frequent predictions, solved before training.

    ```
    statistics[s, t] = number of samples of class t predicted as class s
    ```

    Samples are counted by their weights: with `class_weight="balanced"`,
    classes compete for a source class by the share of their samples that is
    predicted as it, not by the number.

    The largest cell assigns its source class to its target class, then the
    largest of the rest, until every target class has `sources_per_target`.

    Example:

    ```python
    mapping = keras_reprogram.outputs.FrequencyMapping()
    labels = np.array([0, 1, 1])
    statistics = mapping.statistics(np.eye(3), labels, num_classes=2)
    # [[1, 0], [0, 1], [0, 1]]
    mapping.matrix(statistics).argmax(axis=0)  # [0, 1]
    ```

    References:
        - [Black-box Adversarial Reprogramming](https://arxiv.org/abs/2007.08714)
    """

    def matrix(
        self, statistics: np.ndarray, sources_per_target: int = 1
    ) -> np.ndarray:
        statistics = check_statistics(statistics)
        return select_largest(statistics, sources_per_target)


@serializable
@dataclasses.dataclass(frozen=True)
class IterativeMapping(FrequencyMapping, UpdatedMapping):
    """ILM: a frequency mapping that is solved again after every epoch.

    Args:
        update_every: Integer. Number of epochs or steps between two
            solutions. Defaults to `1`.
        update_unit: String. `"epoch"` or `"step"`. Defaults to `"epoch"`.

    References:
        - [ILM-VP](https://arxiv.org/abs/2211.11635)
    """

    update_every: int = 1
    update_unit: str = "epoch"

    def __post_init__(self) -> None:
        self.check_updates()
