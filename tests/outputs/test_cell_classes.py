import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import Recurrence
from keras_reprogram.outputs import CellClasses
from keras_reprogram.sources import LivingCells
from keras_reprogram.sources import cellular_automaton

LIVING = LivingCells(channel=0, neighborhood=1)


def test_logits_are_the_means_of_living_cells():
    states = np.random.default_rng(0).random((3, 4, 5, 6)).astype("float32")
    states[..., 0] -= 0.5
    states[2, ..., 0] = 0.0
    expected = np.zeros((3, 2))
    for index in range(2):
        alive = states[index, ..., 0] > 0.1
        expected[index] = states[index][alive][:, -2:].mean(axis=0)
    found = ops.convert_to_numpy(CellClasses(2, LIVING)(states, None))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    found = ops.convert_to_numpy(CellClasses(2)(states, None))
    np.testing.assert_allclose(
        found, states[..., -2:].mean(axis=(1, 2)), rtol=1e-5
    )


@pytest.mark.numpy_alone
def test_what_does_not_fit_the_states_is_a_value_error():
    step = cellular_automaton((4, 4, 5), living=LIVING)
    for mapping in (CellClasses(6), CellClasses(2, LivingCells(5))):
        with pytest.raises(ValueError, match="Received: "):
            ReprogrammedModel(step, Recurrence(2), mapping)
    inputs = keras.Input((4,))
    flat = keras.Model(inputs, keras.layers.Dense(4)(inputs))
    with pytest.raises(ValueError, match="in a plane"):
        ReprogrammedModel(flat, Recurrence(2), CellClasses(2))
    with pytest.raises(ValueError, match="num_classes"):
        CellClasses(0)
