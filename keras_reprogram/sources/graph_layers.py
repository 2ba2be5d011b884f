"""The layers of a graph network."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import ml_dtypes
from keras import ops

from keras_reprogram.configurable import serializable
from keras_reprogram.typing import Tensor


def weighted_sum(nodes: Tensor, adjacency: Tensor) -> Tensor:
    """Returns `sum_j a_ij h_j`."""
    return ops.matmul(adjacency, nodes)


def weighted_mean(nodes: Tensor, adjacency: Tensor) -> Tensor:
    """Returns `sum_j a_ij h_j / sum_j a_ij`, 0 without neighbors."""
    total = ops.sum(adjacency, axis=-1, keepdims=True)
    total = ops.where(total > 0, total, ops.ones_like(total))
    return ops.divide(ops.matmul(adjacency, nodes), total)


def weighted_maximum(nodes: Tensor, adjacency: Tensor) -> Tensor:
    """Returns `max_{j: a_ij > 0} a_ij h_j`, 0 without neighbors."""
    is_edge = adjacency > 0
    values = ops.multiply(adjacency[..., None], nodes[:, None, :, :])
    # A finite number: ONNX's selection multiplies what it leaves out by zero.
    lowest = float(
        ml_dtypes.finfo(keras.backend.standardize_dtype(values.dtype)).min
    )
    values = ops.where(
        is_edge[..., None], values, ops.full_like(values, lowest)
    )
    maximum = ops.max(values, axis=2)
    has_neighbors = ops.any(is_edge, axis=2)[..., None]
    return ops.where(has_neighbors, maximum, ops.zeros_like(maximum))


def weighted_minimum(nodes: Tensor, adjacency: Tensor) -> Tensor:
    """Returns `min_{j: a_ij > 0} a_ij h_j`, 0 without neighbors."""
    return -weighted_maximum(-nodes, adjacency)


AGGREGATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sum": weighted_sum,
    "mean": weighted_mean,
    "max": weighted_maximum,
    "min": weighted_minimum,
}


@serializable
class NeighborAggregation(keras.layers.Layer):
    """Aggregates the features of each node's neighbors.

    ```
    m_i = sum_k c_k aggregator_k({a_ij h_j : a_ij > 0})
    ```

    where the choice `c` of an aggregator is an input: a vector with one 1.

    Args:
        aggregators: Sequence of strings. Names of `AGGREGATORS`.
        index: Integer. Which row of the choices belongs to this layer.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        nodes: Tensor `(batch, nodes, features)`.
        adjacency: Tensor `(batch, nodes, nodes)`. Weights of edges.
        choices: Tensor `(batch, convolutions, aggregators)`.

    Returns:
        A tensor of the shape of `nodes`.
    """

    def __init__(
        self, aggregators: Sequence[str], index: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.aggregators = tuple(aggregators)
        self.index = index

    def call(self, nodes: Tensor, adjacency: Tensor, choices: Tensor) -> Tensor:
        choice = choices[:, self.index]
        total = ops.zeros_like(nodes)
        for position, name in enumerate(self.aggregators):
            found = AGGREGATORS[name](nodes, adjacency)
            total = total + choice[:, position, None, None] * found
        return total

    def compute_output_spec(
        self, nodes: Tensor, adjacency: Tensor, choices: Tensor
    ) -> keras.KerasTensor:
        return keras.KerasTensor(nodes.shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "aggregators": self.aggregators,
            "index": self.index,
        }


@serializable
class GraphPooling(keras.layers.Layer):
    """Returns the mean and the sum of the nodes of each graph.

    Args:
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        nodes: Tensor `(batch, nodes, features)`.
        mask: Tensor `(batch, nodes)`, 1 for a node and 0 for a missing one.

    Returns:
        A tensor `(batch, 2 * features)`.
    """

    def call(self, nodes: Tensor, mask: Tensor) -> Tensor:
        total = ops.sum(nodes * mask[..., None], axis=1)
        count = ops.sum(mask, axis=1, keepdims=True)
        count = ops.where(count > 0, count, ops.ones_like(count))
        return ops.concatenate([ops.divide(total, count), total], axis=-1)

    def compute_output_spec(
        self, nodes: Tensor, mask: Tensor
    ) -> keras.KerasTensor:
        batch, _, features = nodes.shape
        return keras.KerasTensor((batch, 2 * features), self.compute_dtype)
