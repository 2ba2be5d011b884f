import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.sources import CellRule
from keras_reprogram.sources.cell_rule import perception

STATES = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype("float32")
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8


def correlated(states, kernel):
    """An independent implementation, cell by cell."""
    padded = np.pad(states, ((0, 0), (1, 1), (1, 1), (0, 0)))
    result = np.zeros_like(states)
    for row in range(states.shape[1]):
        for column in range(states.shape[2]):
            part = padded[:, row : row + 3, column : column + 3]
            result[:, row, column] = np.einsum("nhwc,hw->nc", part, kernel)
    return result


def test_cells_perceive_their_state_and_its_gradients():
    expected = np.concatenate(
        [STATES, correlated(STATES, SOBEL), correlated(STATES, SOBEL.T)], -1
    )
    found = ops.convert_to_numpy(perception(ops.convert_to_tensor(STATES)))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_change_is_two_layers_of_the_perception():
    rule = CellRule(hidden_units=4, fixed_channels=1)
    np.testing.assert_array_equal(ops.convert_to_numpy(rule(STATES)), 0.0)
    generator = np.random.default_rng(1)
    values = [generator.normal(size=w.shape) for w in rule.weights]
    rule.set_weights(values)
    seen = ops.convert_to_numpy(perception(ops.convert_to_tensor(STATES)))
    hidden = np.maximum(seen @ values[0] + values[1], 0.0)
    found = ops.convert_to_numpy(rule(STATES))
    np.testing.assert_array_equal(found[..., 0], 0.0)
    np.testing.assert_allclose(
        found[..., 1:], hidden @ values[2] + values[3], rtol=1e-4, atol=1e-5
    )


@pytest.mark.numpy_alone
def test_bad_settings_are_value_errors():
    for settings in (
        {"hidden_units": 0},
        {"fixed_channels": -1},
        {"seed": "one"},
    ):
        with pytest.raises(ValueError, match="Received: "):
            CellRule(**settings)
    with pytest.raises(ValueError, match="less than the channels"):
        CellRule(fixed_channels=3)(STATES)
    with pytest.raises(ValueError, match="height, width"):
        CellRule()(STATES[0])


@pytest.mark.numpy_alone
def test_a_config_makes_the_same_rule():
    rule = CellRule(4, 1, seed=2)
    copy = keras.layers.deserialize(keras.layers.serialize(rule))
    assert copy.get_config() == rule.get_config()
