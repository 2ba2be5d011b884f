import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import InjectedCells
from keras_reprogram.inputs import StateMatrix
from keras_reprogram.sources import LivingCells

STATES = np.random.default_rng(0).normal(size=(2, 6, 6, 5)).astype("float32")
LIVING = LivingCells(channel=4, neighborhood=1)


def trained(layer):
    layer.build(STATES.shape)
    for weight in layer.trainable_weights:
        weight.assign(ops.full(weight.shape, 0.1))
    return layer


@pytest.mark.parametrize("kind", [StateMatrix, InjectedCells])
def test_dead_cells_and_fixed_channels_are_as_before(kind):
    layer = trained(kind(fixed_channels=2, living=LIVING))
    changed = ops.convert_to_numpy(layer(STATES))
    dead = STATES[..., 4] <= 0.1
    np.testing.assert_array_equal(changed[dead], STATES[dead])
    np.testing.assert_array_equal(changed[..., :2], STATES[..., :2])
    assert (changed != STATES)[..., 2:].any()


@pytest.mark.parametrize("kind", [StateMatrix, InjectedCells])
@pytest.mark.numpy_alone
def test_what_does_not_fit_the_states_is_a_value_error(kind):
    with pytest.raises(ValueError, match="channel=4 of 4"):
        kind(living=LIVING).build((None, 6, 6, 4))
    with pytest.raises(ValueError, match="less than the channels"):
        kind(fixed_channels=5).build(STATES.shape)
    with pytest.raises(ValueError, match="height, width"):
        kind().build((None, 8, 5))
    with pytest.raises(ValueError, match="`living` must be"):
        kind(living=3)
