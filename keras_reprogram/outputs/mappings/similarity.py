"""Mappings from the source classes that are most similar to the targets."""

import dataclasses
from typing import Any

import numpy as np
from keras import ops

from keras_reprogram.configurable import serializable
from keras_reprogram.outputs.checks import check_numbers
from keras_reprogram.outputs.cross_validation import Solution
from keras_reprogram.outputs.mappings.mapping import Batches
from keras_reprogram.outputs.mappings.mapping import MapShape
from keras_reprogram.outputs.mappings.mapping import SourceSelection
from keras_reprogram.outputs.mappings.mapping import StatisticsMapping
from keras_reprogram.outputs.mappings.selection import select_in_rounds
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import unit_vectors


@serializable
@dataclasses.dataclass(frozen=True)
class SemanticMapping(SourceSelection):
    """Maps source classes whose names are similar to the target classes'.

    In rounds, each target class in turn is assigned the remaining source class
    whose embedding has the largest cosine similarity.

    Example:

    ```python
    mapping = keras_reprogram.outputs.SemanticMapping(
        source_embeddings=np.eye(4), target_embeddings=np.eye(4)[[2, 0]]
    )
    mapper = keras_reprogram.LabelMapper(num_classes=2, mapping=mapping)
    mapper(np.arange(4.0)[None])  # [[2, 0]]
    ```

    Args:
        source_embeddings: Array `[S, D]`. Embeddings of the source classes'
            names.
        target_embeddings: Array `[T, D]`. Embeddings of the target classes'
            names.

    References:
        - [AutoVP](https://arxiv.org/abs/2310.08381)
    """

    source_embeddings: Any
    target_embeddings: Any

    def __post_init__(self) -> None:
        source, target = (
            check_numbers(name, getattr(self, name)).astype("float64")
            for name in ("source_embeddings", "target_embeddings")
        )
        if source.ndim != 2 or target.shape[1:] != source.shape[1:]:
            raise ValueError(
                "Embeddings must have the shapes [S, D] and [T, D]. Received: "
                f"{source.shape} and {target.shape}"
            )
        # As nested lists, the fields are the config.
        self.set_fields(
            source_embeddings=source.tolist(), target_embeddings=target.tolist()
        )

    def check_shape(self, shape: MapShape) -> None:
        super().check_shape(shape)
        counts = len(self.source_embeddings), len(self.target_embeddings)
        if counts != shape.matrix:
            raise ValueError(
                "A semantic mapping needs one embedding for each of "
                f"{shape.num_sources} source and {shape.num_classes} target "
                f"classes. Received: {counts[0]} and {counts[1]} embeddings"
            )

    def solve(self, batches: Batches | None, shape: MapShape) -> Solution:
        self.check_shape(shape)
        matrix = select_in_rounds(
            cosines(
                np.asarray(self.source_embeddings),
                np.asarray(self.target_embeddings),
            ),
            shape.sources_per_target,
        )
        return Solution(matrix, np.zeros(shape.num_classes))


@serializable
@dataclasses.dataclass(frozen=True)
class SimilarityMapping(SourceSelection, StatisticsMapping):
    """Maps source classes with the most similar centroids (Yen et al. 2021).

    ```
    centroid[t] = mean of softmax(source logits) over samples of class t
    similarity[s, t] = cosine(source_centroids[s], centroid[t])
    ```

    In rounds, each target class in turn is assigned the most similar remaining
    source class, `sources_per_target` of them (2 or 3 in the paper). The map is
    solved once, before training. Sample weights weight the mean of a class;
    class weights do not change it.

    With embeddings of the classes of both tasks, of their names or from a
    hidden layer, use `SemanticMapping`.

    Example:

    ```python
    # The source confuses samples of source class 1 with class 2.
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
        source_centroids: Array `[S, S]`. The row of a source class is the mean
            of the source's probabilities over samples of that class, up to a
            factor: `SimilarityMapping().statistics(logits, labels, S).T` on
            the source's own data. Defaults to `None`: each source class is
            predicted with certainty.

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

    def check_shape(self, shape: MapShape) -> None:
        super().check_shape(shape)
        self._check_centroids(shape.num_sources)

    def _check_centroids(self, num_sources: int) -> None:
        """Raises a `ValueError` unless each source class has a centroid."""
        centroids = self.source_centroids
        if centroids is not None and len(centroids) != num_sources:
            raise ValueError(
                "`source_centroids` must have one row for each of the "
                f"source's {num_sources} classes. Received: {len(centroids)} "
                "rows"
            )

    def contribution(
        self, logits: Tensor, num_classes: int
    ) -> tuple[Tensor, Tensor]:
        # All probabilities of a sample: the cosine of their sum is that of
        # their mean.
        probabilities = ops.softmax(ops.cast(logits, "float32"), axis=-1)
        sources = ops.arange(logits.shape[-1], dtype="int32")
        sources = ops.broadcast_to(sources, ops.shape(probabilities))
        return sources, probabilities

    def matrix(
        self, statistics: np.ndarray, sources_per_target: int = 1
    ) -> np.ndarray:
        num_sources = len(statistics)
        self._check_centroids(num_sources)
        centroids = np.eye(num_sources)
        if self.source_centroids is not None:
            centroids = np.asarray(self.source_centroids)
        return select_in_rounds(
            cosines(centroids, statistics.T), sources_per_target
        )


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns the cosines `[S, T]` of rows `[S, D]` and rows `[T, D]`."""
    cosines: np.ndarray = (
        unit_vectors(left, library=np) @ unit_vectors(right, library=np).T
    )
    return cosines
