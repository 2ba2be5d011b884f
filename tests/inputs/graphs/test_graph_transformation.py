import keras
import pytest
from graphs import network

from keras_reprogram.inputs import GraphTransformation
from keras_reprogram.inputs.graphs.graph_transformation import graph_of
from keras_reprogram.sources import inspect_source

pytestmark = pytest.mark.numpy_alone


def test_a_step_keeps_the_shape_unless_it_says_otherwise():
    specification = network().specification
    step = GraphTransformation()
    assert step.shape_after((5, 3), specification) == (5, 3)
    with pytest.raises(NotImplementedError):
        step.expected_variables((5, 3), specification)


def test_a_source_that_takes_no_graphs_is_refused():
    inputs = keras.Input((4,))
    source = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    with pytest.raises(ValueError, match="GraphNetwork"):
        graph_of(inspect_source(source))
    assert graph_of(inspect_source(network())).num_features == 4
