import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.sources import CellRule
from keras_reprogram.sources import LivingCells
from keras_reprogram.sources import cellular_automaton


def living(states):
    """Cells with a neighbor whose alpha is above 0.1."""
    result = np.zeros((*states.shape[:3], 1))
    for row in range(states.shape[1]):
        for column in range(states.shape[2]):
            near = states[
                :,
                max(row - 1, 0) : row + 2,
                max(column - 1, 0) : column + 2,
                3,
            ]
            result[:, row, column, 0] = near.max(axis=(1, 2)) > 0.1
    return result


def test_cells_change_where_they_are_alive_before_and_after():
    step = cellular_automaton((5, 6, 5), CellRule(hidden_units=4))
    generator = np.random.default_rng(0)
    for weight in step.weights:
        weight.assign(generator.normal(size=weight.shape))
    states = generator.normal(size=(2, 5, 6, 5)).astype("float32")
    states[:, :3, :, 3] = 0.0
    (cells,) = [layer for layer in step.layers if layer.name == "cells"]
    changed = states + ops.convert_to_numpy(cells.rule(states))
    alive = living(states) * living(changed)
    assert 0.0 < alive.mean() < 1.0
    np.testing.assert_allclose(
        ops.convert_to_numpy(step(states)), changed * alive, atol=1e-5
    )


def test_an_untrained_automaton_keeps_living_cells():
    step = cellular_automaton(
        (None, None, 3), living=LivingCells(0, neighborhood=1)
    )
    states = np.random.default_rng(0).random((1, 4, 7, 3)).astype("float32")
    expected = states * (states[..., :1] > 0.1)
    np.testing.assert_array_equal(ops.convert_to_numpy(step(states)), expected)


@pytest.mark.numpy_alone
def test_what_is_no_shape_of_a_state_is_a_value_error():
    for shape in ((8, 8), 8, (8, 8, None), (8, 8, 3)):
        with pytest.raises(ValueError, match="Received: "):
            cellular_automaton(shape)
    with pytest.raises(ValueError, match="`living` must be"):
        cellular_automaton((8, 8, 8), living=0.1)
    with pytest.raises(ValueError, match="`rule` must be"):
        cellular_automaton((8, 8, 8), rule="sobel")


def test_a_saved_automaton_is_the_same(tmp_path):
    step = cellular_automaton((4, 4, 4), CellRule(4), LivingCells(2))
    for weight in step.weights:
        weight.assign(ops.full(weight.shape, 0.1))
    step.save(tmp_path / "step.keras")
    copy = keras.saving.load_model(tmp_path / "step.keras")
    states = np.random.default_rng(0).random((1, 4, 4, 4)).astype("float32")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(copy(states)), ops.convert_to_numpy(step(states))
    )


@pytest.mark.numpy_alone
def test_a_rule_belongs_to_one_automaton_of_its_number_of_channels():
    rule = CellRule(4)
    step = cellular_automaton((4, 4, 4), rule)
    with pytest.raises(ValueError, match="one place.*new one"):
        cellular_automaton((4, 4, 4), rule)
    rule = CellRule(4)
    rule.build((None, 4, 4, 5))
    with pytest.raises(ValueError, match="another number of channels"):
        cellular_automaton((4, 4, 4), rule)
    assert len(step.weights) == 4
