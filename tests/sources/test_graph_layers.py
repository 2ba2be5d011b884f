import numpy as np
import pytest
from gradients import gradient
from graphs import aggregated
from graphs import some_graphs
from keras import ops

from keras_reprogram.sources.graph_layers import AGGREGATORS
from keras_reprogram.sources.graph_layers import GraphPooling
from keras_reprogram.sources.graph_layers import NeighborAggregation


def test_pooling_leaves_missing_nodes_out():
    nodes = np.arange(12, dtype="float32").reshape(2, 3, 2)
    mask = np.array([[1, 1, 0], [0, 0, 0]], "float32")
    pooled = ops.convert_to_numpy(GraphPooling()(nodes, mask))
    np.testing.assert_allclose(pooled, [[1, 2, 2, 4], [0, 0, 0, 0]])


def test_a_choice_has_the_gradient_of_every_aggregator():
    layer = NeighborAggregation(("sum", "max"), 0)
    graph = some_graphs()[2]
    nodes, adjacency = (
        ops.convert_to_tensor(graph[name][None].astype("float32"))
        for name in ("nodes", "adjacency")
    )
    choices = np.array([[[1.0, 0.0]]], "float32")
    found = gradient(lambda x: layer(nodes, adjacency, x), choices)
    expected = [
        aggregated(
            name, **{"hidden": graph["nodes"], "adjacency": graph["adjacency"]}
        ).sum()
        for name in ("sum", "max")
    ]
    np.testing.assert_allclose(
        ops.convert_to_numpy(found)[0, 0], expected, rtol=1e-4
    )


@pytest.mark.parametrize("name", AGGREGATORS)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_large_values_are_aggregated_in_any_dtype(name, dtype):
    nodes = ops.convert_to_tensor([[[-900.0], [900.0], [7.0]]], dtype)
    adjacency = np.zeros((1, 3, 3))
    adjacency[0, 0, 1] = adjacency[0, 1, 0] = 2.0
    found = AGGREGATORS[name](nodes, ops.convert_to_tensor(adjacency, dtype))
    scale = 1.0 if name == "mean" else 2.0
    np.testing.assert_allclose(
        ops.convert_to_numpy(found)[0, :, 0],
        [scale * 900, -scale * 900, 0],
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_maximum_is_among_the_neighbors_however_small(dtype):
    nodes = ops.convert_to_tensor([[[5.0], [-60000.0], [7.0]]], dtype)
    adjacency = np.zeros((1, 3, 3))
    adjacency[0, 0, 1] = adjacency[0, 1, 0] = 1.0
    adjacency = ops.convert_to_tensor(adjacency, dtype)
    found = AGGREGATORS["max"](nodes, adjacency)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(found, "float32"))[0, :, 0],
        [-60000, 5, 0],
        rtol=1e-2,
    )
