import numpy as np
import pytest
from graphs import as_arrays
from graphs import graph_of
from graphs import network
from graphs import resolved
from keras import ops

from keras_reprogram.inputs import FeaturePadding


def test_nodes_get_the_same_learned_features_and_missing_ones_none():
    step = resolved([FeaturePadding()]).steps[0]
    step.padding.assign([2.5])
    graph = graph_of()
    found = as_arrays(step(graph))
    before = as_arrays(graph)
    np.testing.assert_array_equal(found["nodes"][..., :3], before["nodes"])
    np.testing.assert_array_equal(found["nodes"][..., 3], 2.5 * before["mask"])
    np.testing.assert_array_equal(found["adjacency"], before["adjacency"])


def test_features_of_the_source_s_width_are_kept():
    step = resolved([FeaturePadding()], (5, 4)).steps[0]
    graph = graph_of(num_features=4)
    assert step.padding.shape == (0,)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(step(graph)["nodes"]),
        ops.convert_to_numpy(graph["nodes"]),
    )


@pytest.mark.numpy_alone
def test_more_features_than_the_source_takes_are_refused():
    with pytest.raises(ValueError, match="up to the source's 4.*5 features"):
        resolved([FeaturePadding()], (5, 5))
    with pytest.raises(ValueError, match="seed"):
        FeaturePadding(seed=-1)
    assert network().num_features == 4
