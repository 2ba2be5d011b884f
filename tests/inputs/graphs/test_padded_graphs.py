import numpy as np
import pytest
from graphs import some_graphs

from keras_reprogram.inputs import padded_graphs

pytestmark = pytest.mark.numpy_alone
EDGE = [[0, 1], [1, 0]]


def test_graphs_are_padded_to_the_largest_or_further():
    graphs = some_graphs()
    for size in (None, 7):
        found = padded_graphs(graphs, size)
        assert found["nodes"].shape == (3, size or 5, 3)
        assert found["adjacency"].shape == (3, size or 5, size or 5)
        assert found["nodes"].dtype == found["adjacency"].dtype == "float32"
        for index, graph in enumerate(graphs):
            count = len(graph["nodes"])
            np.testing.assert_allclose(
                found["nodes"][index, :count], graph["nodes"], rtol=1e-6
            )
            assert np.isnan(found["nodes"][index, count:]).all()
            np.testing.assert_array_equal(
                found["adjacency"][index, :count, :count], graph["adjacency"]
            )


def test_integers_and_booleans_are_numbers():
    graph = {"nodes": [[6], [8]], "adjacency": np.array(EDGE, bool)}
    found = padded_graphs([graph])
    assert found["nodes"].tolist() == [[[6], [8]]]
    assert found["adjacency"].tolist() == [EDGE]


@pytest.mark.parametrize(
    ("graphs", "message"),
    [
        ([], "must be a list"),
        ({"nodes": [[1]], "adjacency": [[0]]}, "must be a list"),
        ([{"nodes": [[1.0]]}], "must be a dictionary"),
        ([[[1.0]]], "must be a dictionary"),
        ([{"nodes": [["C"]], "adjacency": [[0]]}], "arrays of numbers"),
        ([{"nodes": [], "adjacency": []}], "at least one"),
        ([{"nodes": [1.0], "adjacency": [[0]]}], "nodes of shape"),
        ([{"nodes": [[1.0]], "adjacency": EDGE}], "adjacency matrix of shape"),
        (
            [
                {"nodes": [[1.0]], "adjacency": [[0]]},
                {"nodes": [[1.0, 2.0]], "adjacency": [[0]]},
            ],
            "same features",
        ),
        (
            [{"nodes": [[1.0], [2.0]], "adjacency": [[0, 1], [0, 0]]}],
            "symmetric",
        ),
        ([{"nodes": [[np.nan], [1.0]], "adjacency": EDGE}], "missing nodes"),
    ],
)
def test_graphs_that_are_not_valid_are_refused(graphs, message):
    with pytest.raises(ValueError, match=message):
        padded_graphs(graphs)


@pytest.mark.parametrize("size", [4, 0, 2.5])
def test_too_small_a_size_is_refused(size):
    with pytest.raises(ValueError, match="num_nodes"):
        padded_graphs(some_graphs(), size)
