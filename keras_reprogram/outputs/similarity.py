"""Source classes that resemble the target classes, found from data."""

import dataclasses
from typing import Any

import numpy as np

from keras_reprogram.configurable import serializable
from keras_reprogram.outputs import mappings
from keras_reprogram.outputs.label_mappings import SourceSelection
from keras_reprogram.outputs.label_mappings import StatisticsMapping


@serializable
@dataclasses.dataclass(frozen=True)
class SimilarityMapping(SourceSelection, StatisticsMapping):
    """Yen et al. 2021: the source classes of the most similar centroids.

    ```
    centroid[t] = mean of softmax(source logits) over samples of class t
    similarity[s, t] = cosine(source_centroids[s], centroid[t])
    ```

    In rounds, each target class in turn takes the source class most similar
    to it that is not yet taken, `sources_per_target` of them: the paper takes
    2 or 3. The map is found once, before training.

    Where embeddings of both sides' classes are at hand, of their names or of
    a hidden layer, `keras_reprogram.outputs.mappings.semantic_mapping` makes a
    matrix of them.

    Example:

    ```python
    # Samples of source class 1 look like those of class 2, to the source.
    centroids = np.eye(4)
    centroids[1] = [0, 0.6, 0.4, 0]
    mapper = keras_reprogram.LabelMapper(
        num_classes=2,
        mapping=keras_reprogram.outputs.SimilarityMapping(centroids),
        sources_per_target=2,
    )
    mapper.build((None, 4))
    logits = np.log([[0.1, 0.4, 0.4, 0.1], [0.6, 0.1, 0.1, 0.2]])
    mapper.adapt([(logits, np.array([0, 1]))])
    # Class 0 takes source classes 1 and 2, class 1 takes 0 and 3.
    keras.ops.convert_to_numpy(mapper.matrix)
    ```

    Args:
        source_centroids: Array `[S, S]`: a source class's row is the mean of
            the source's probabilities over samples of that class, up to a
            factor: `mappings.top_k_statistics(logits, labels, S, S).T` on
            data of the source's own. `None` takes each source class as
            certainty of itself.

    References:
        - [Neural model reprogramming with similarity based mapping](https://arxiv.org/abs/2110.03894)
    """

    source_centroids: Any = None

    def __post_init__(self) -> None:
        if self.source_centroids is None:
            return
        centroids = np.asarray(self.source_centroids)
        if (
            centroids.dtype.kind not in "biuf"
            or centroids.ndim != 2
            or centroids.shape[0] != centroids.shape[1]
            or not np.isfinite(centroids).all()
        ):
            raise ValueError(
                "`source_centroids` must be finite numbers of shape [source "
                "classes, source classes]. Received: an array of shape "
                f"{centroids.shape}, dtype={centroids.dtype}"
            )
        # As nested lists, the fields are the config.
        self.set_fields(source_centroids=centroids.astype("float64").tolist())

    def statistics(
        self, logits: np.ndarray, labels: np.ndarray, num_classes: int
    ) -> np.ndarray:
        # All of a sample's probabilities: their sum points where their mean
        # does.
        sources = logits.shape[1]
        return mappings.top_k_statistics(logits, labels, num_classes, sources)

    def matrix(
        self, statistics: np.ndarray, sources_per_target: int
    ) -> np.ndarray:
        num_sources = len(statistics)
        centroids = np.eye(num_sources)
        if self.source_centroids is not None:
            centroids = np.asarray(self.source_centroids)
        if len(centroids) != num_sources:
            raise ValueError(
                "`source_centroids` must have one row for each of the "
                f"source's {num_sources} classes. Received: {len(centroids)} "
                "rows"
            )
        return mappings.semantic_mapping(
            centroids, statistics.T, sources_per_target
        )
