import numpy as np
from gradients import gradient
from graphs import as_arrays
from graphs import graph_of
from graphs import resolved
from keras import ops

from keras_reprogram.inputs import EdgeSlimming
from keras_reprogram.inputs import FeaturePadding


def slimming():
    return resolved([EdgeSlimming(), FeaturePadding()]).steps[0]


def test_all_edges_are_kept_at_first():
    graph = graph_of()
    np.testing.assert_array_equal(
        as_arrays(slimming()(graph))["adjacency"],
        as_arrays(graph)["adjacency"],
    )


def test_edges_of_a_score_below_zero_are_removed_in_both_directions():
    step = slimming()
    kernel = np.random.default_rng(0).normal(size=(3, 3))
    step.kernel.assign(kernel)
    step.bias.assign(0.1)
    graph = graph_of()
    before, found = as_arrays(graph), as_arrays(step(graph))["adjacency"]
    for nodes, edges, kept in zip(before["nodes"], before["adjacency"], found):
        score = nodes @ (kernel + kernel.T) @ nodes.T / 2 + 0.1
        np.testing.assert_allclose(kept, np.where(score > 0, edges, 0))
        np.testing.assert_array_equal(kept, kept.T)
    assert 0 < (found > 0).sum() < (before["adjacency"] > 0).sum()


def test_one_hot_nodes_have_a_score_for_each_edge():
    step = resolved([EdgeSlimming()], (4, 4)).steps[0]
    kernel = np.zeros((4, 4))
    kernel[0, 1] = -3.0
    step.kernel.assign(kernel)
    edges = np.ones((1, 4, 4)) - np.eye(4)
    graph = {
        "nodes": ops.convert_to_tensor(np.eye(4)[None], "float32"),
        "adjacency": ops.convert_to_tensor(edges, "float32"),
    }
    edges[0, 0, 1] = edges[0, 1, 0] = 0.0
    np.testing.assert_array_equal(as_arrays(step(graph))["adjacency"], edges)


def test_the_gradient_is_that_of_the_sigmoid_of_the_score():
    step, graph = slimming(), graph_of()
    before = as_arrays(graph)
    # Of the bias: through a node's features, which are an argument.
    step.kernel.assign(np.eye(3))
    step.bias.assign(0.0)

    def kept(nodes):
        return step({**graph, "nodes": nodes})["adjacency"]

    found = ops.convert_to_numpy(gradient(kept, before["nodes"]))
    score = before["nodes"] @ before["nodes"].swapaxes(1, 2)
    sigmoid = 1 / (1 + np.exp(-score))
    slope = before["adjacency"] * sigmoid * (1 - sigmoid)
    np.testing.assert_allclose(found, 2 * slope @ before["nodes"], atol=1e-4)
