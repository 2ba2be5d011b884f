import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.sources import LivingCells


def states_with(cells):
    states = np.zeros((1, 4, 5, 4), "float32")
    for (row, column), value in cells.items():
        states[0, row, column, 3] = value
    return states


def test_neighbors_of_a_cell_above_the_threshold_are_alive():
    states = states_with({(0, 1): 0.2, (3, 4): 0.1})
    expected = np.zeros((1, 4, 5, 1))
    expected[0, :2, :3] = 1.0
    mask = ops.convert_to_numpy(LivingCells().mask(states))
    np.testing.assert_array_equal(mask, expected)


def test_without_a_neighborhood_a_cell_is_alive_by_itself():
    states = states_with({(0, 1): 0.2, (3, 4): 0.6})
    mask = LivingCells(channel=3, threshold=0.5, neighborhood=1).mask(states)
    np.testing.assert_array_equal(
        np.argwhere(ops.convert_to_numpy(mask)), [[0, 3, 4, 0]]
    )


@pytest.mark.numpy_alone
def test_bad_settings_are_value_errors():
    for settings in (
        {"channel": -1},
        {"channel": 1.5},
        {"threshold": "high"},
        {"threshold": float("nan")},
        {"neighborhood": 2},
        {"neighborhood": 0},
    ):
        with pytest.raises(ValueError, match="Received: "):
            LivingCells(**settings)
    with pytest.raises(ValueError, match="channel=3 of 3"):
        LivingCells().check_channels(3)


@pytest.mark.numpy_alone
def test_a_config_makes_the_same_choice():
    living = LivingCells(0, 0.3, 5)
    config = keras.saving.serialize_keras_object(living)
    assert keras.saving.deserialize_keras_object(config) == living
