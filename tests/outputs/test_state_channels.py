import numpy as np
import pytest
from keras import ops

from keras_reprogram.outputs import CellClasses
from keras_reprogram.outputs import StateChannels
from keras_reprogram.outputs.targets import LabelFormat


def test_predictions_are_the_first_channels_in_float32():
    states = np.random.default_rng(0).random((2, 3, 3, 6)).astype("float16")
    found = StateChannels(4)(ops.convert_to_tensor(states), None)
    found = ops.convert_to_numpy(found)
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found, states[..., :4])


@pytest.mark.numpy_alone
def test_labels_are_numbers_of_the_same_shape():
    mapping = StateChannels(2)
    mapping.build((None, 3, 3, 6))
    mapping.targets.check(np.zeros((4, 3, 3, 2)), LabelFormat())
    with pytest.raises(ValueError, match="numbers of shape"):
        mapping.targets.check(np.zeros((4, 3, 3, 6)), LabelFormat())
    with pytest.raises(ValueError, match="num_channels"):
        StateChannels(0)


@pytest.mark.numpy_alone
@pytest.mark.parametrize("make", [StateChannels, CellClasses])
def test_states_of_fewer_channels_are_refused_by_the_layer_alone(make):
    with pytest.raises(ValueError, match="number of channels.*Received: "):
        make(9)(np.zeros((1, 3, 3, 6)))
