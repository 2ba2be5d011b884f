import numpy as np
from graphs import as_arrays
from graphs import graph_of
from graphs import resolved

from keras_reprogram.inputs import FeatureProjection


def test_features_are_mapped_linearly_and_missing_nodes_stay_zero():
    step = resolved([FeatureProjection()]).steps[0]
    kernel = np.random.default_rng(0).normal(size=(3, 4))
    step.kernel.assign(kernel)
    step.bias.assign([1.0, 0.0, 0.0, -1.0])
    graph = graph_of()
    before = as_arrays(graph)
    expected = before["nodes"] @ kernel + np.array([1.0, 0, 0, -1])
    np.testing.assert_allclose(
        as_arrays(step(graph))["nodes"],
        expected * before["mask"][..., None],
        atol=1e-5,
    )


def test_features_of_more_than_the_source_s_width_are_taken():
    step = resolved([FeatureProjection()], (5, 7)).steps[0]
    found = as_arrays(step(graph_of(num_features=7)))
    assert found["nodes"].shape == (2, 5, 4)
