import numpy as np
import pytest
from graphs import some_graphs
from keras import ops

from keras_reprogram.inputs import padded_graphs
from keras_reprogram.sources.graph_arrays import as_graph
from keras_reprogram.sources.graph_arrays import check_graphs
from keras_reprogram.sources.graph_arrays import nodes_and_adjacency
from keras_reprogram.sources.graph_arrays import valid_graphs


def padded():
    graphs = padded_graphs(some_graphs())
    return graphs["nodes"], graphs["adjacency"]


def asymmetric(nodes, adjacency):
    adjacency[1, 0, 1] = 3.0


def negative(nodes, adjacency):
    adjacency[1, 0, 1] = adjacency[1, 1, 0] = -1.0


def unknown_edge(nodes, adjacency):
    adjacency[1, 0, 1] = adjacency[1, 1, 0] = np.nan


def infinite_edge(nodes, adjacency):
    adjacency[1, 0, 1] = adjacency[1, 1, 0] = np.inf


def loop(nodes, adjacency):
    adjacency[1, 0, 0] = 1.0


def edge_to_nothing(nodes, adjacency):
    adjacency[1, 0, 4] = adjacency[1, 4, 0] = 1.0


def unknown_feature(nodes, adjacency):
    nodes[1, 0, 1] = np.nan


def infinite_feature(nodes, adjacency):
    nodes[1, 0, 1] = -np.inf


def large_feature(nodes, adjacency):
    nodes[1, 0, 1] = -1e16


def large_weight_of_a_feature(nodes, adjacency):
    nodes[1, :3, 1] = 1e10
    adjacency[1, 0, 1] = adjacency[1, 1, 0] = 1e8


def no_nodes(nodes, adjacency):
    nodes[1], adjacency[1] = np.nan, 0.0


FAULTS = {
    asymmetric: "symmetric",
    negative: "at least 0",
    unknown_edge: "at least 0",
    infinite_edge: "finite",
    loop: "diagonal",
    edge_to_nothing: "beside missing nodes",
    unknown_feature: "fill in missing features",
    infinite_feature: "Features must be finite",
    large_feature: "scale them",
    large_weight_of_a_feature: "scale them",
    no_nodes: "at least one node",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_graph_that_is_not_valid_is_refused_and_marked_in_a_step(fault):
    nodes, adjacency = padded()
    fault(nodes, adjacency)
    with pytest.raises(ValueError, match=f"{FAULTS[fault]}.*first in sample 1"):
        check_graphs(nodes, adjacency)
    valid = valid_graphs(*map(ops.convert_to_tensor, (nodes, adjacency)))
    assert ops.convert_to_numpy(valid).tolist() == [True, False, True]


def test_the_largest_feature_depends_on_the_dtype():
    nodes, adjacency = padded()
    nodes[1, 0, 1] = 1e5
    check_graphs(nodes, adjacency)
    with pytest.raises(ValueError, match="65504 in float16: scale them"):
        check_graphs(nodes, adjacency, "float16")
    tensors = [ops.cast(each, "float16") for each in (nodes, adjacency)]
    valid = ops.convert_to_numpy(valid_graphs(*tensors))
    assert valid.tolist() == [True, False, True]


def test_nothing_beside_missing_nodes_may_be_nan():
    nodes, adjacency = padded()
    missing = np.isnan(nodes[..., 0])
    adjacency[missing] = np.nan
    adjacency.swapaxes(1, 2)[missing] = np.nan
    check_graphs(nodes, adjacency)
    assert ops.convert_to_numpy(valid_graphs(nodes, adjacency)).all()
    graph = as_graph(nodes, adjacency)
    expected = as_graph(*padded())
    for name in expected:
        np.testing.assert_array_equal(
            ops.convert_to_numpy(graph[name]),
            ops.convert_to_numpy(expected[name]),
        )
    assert ops.convert_to_numpy(graph["mask"]).sum(axis=1).tolist() == [1, 3, 5]


@pytest.mark.numpy_alone
def test_an_array_of_graphs_is_split_after_the_features():
    samples = np.arange(2 * 3 * 5).reshape(2, 3, 5)
    nodes, adjacency = nodes_and_adjacency(samples, 3)
    assert nodes.shape == (2, 3, 2) and adjacency.shape == (2, 3, 3)
    np.testing.assert_array_equal(
        np.concatenate([nodes, adjacency], axis=-1), samples
    )
