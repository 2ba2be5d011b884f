import numpy as np
import pytest
from graphs import as_arrays
from graphs import graph_of
from graphs import resolved

from keras_reprogram.inputs import FeaturePadding
from keras_reprogram.inputs import GraphPadding


def sigmoid(values):
    return 1 / (1 + np.exp(-np.asarray(values)))


def test_a_learned_graph_is_joined_to_every_node_that_is_there():
    step = resolved([GraphPadding(2), FeaturePadding()]).steps[0]
    step.nodes.assign([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    step.links.assign([0.5, -0.5])
    step.edges.assign([[9.0, 1.0], [3.0, 9.0]])
    graph = graph_of()
    before, found = as_arrays(graph), as_arrays(step(graph))
    for index in range(2):
        mask = before["mask"][index][:, None]
        links = mask * sigmoid([0.5, -0.5])
        among = sigmoid(2.0) * (1 - np.eye(2))
        expected = np.block(
            [[before["adjacency"][index], links], [links.T, among]]
        )
        np.testing.assert_allclose(
            found["adjacency"][index], expected, rtol=1e-5
        )
        np.testing.assert_array_equal(
            found["nodes"][index],
            np.concatenate([before["nodes"][index], [[1, 2, 3], [4, 5, 6]]]),
        )
    np.testing.assert_array_equal(
        found["mask"], [[1] * 7, [1, 1, 1, 1, 0, 1, 1]]
    )


def test_weights_start_near_zero():
    step = resolved([GraphPadding(2), FeaturePadding()]).steps[0]
    added = as_arrays(step(graph_of()))["adjacency"][0, 5:]
    assert 0 < added.max() < 0.05


@pytest.mark.numpy_alone
@pytest.mark.parametrize("arguments", [{"num_nodes": 0}, {"seed": 1.5}])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        GraphPadding(**arguments)
