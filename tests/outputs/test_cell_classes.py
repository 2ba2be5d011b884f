import keras
import numpy as np
import pytest
from gradients import gradient
from keras import ops

from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import Recurrence
from keras_reprogram.methods import neural_cellular_automata
from keras_reprogram.outputs import CellClasses
from keras_reprogram.sources import LivingCells
from keras_reprogram.sources import cellular_automaton

LIVING = LivingCells(channel=0, neighborhood=1)


def log_mean_probability(logits: np.ndarray) -> np.ndarray:
    """Of cells `(cells, classes)`."""
    odds = np.exp(logits.astype("float64"))
    return np.log((odds / odds.sum(axis=-1, keepdims=True)).mean(axis=0))


def test_living_cells_have_one_vote_each():
    states = np.random.default_rng(0).normal(size=(3, 4, 5, 6))
    states = states.astype("float32")
    states[0, 0, 0, 0], states[0, 0, 0, -1] = (
        1.0,
        500.0,
    )  # one vote all the same
    states[2, ..., 0] = 0.0
    expected = np.full((3, 2), np.log(0.5))
    for index in range(2):
        alive = states[index, ..., 0] > 0.1
        expected[index] = log_mean_probability(states[index][alive][:, -2:])
    found = ops.convert_to_numpy(CellClasses(2, LIVING)(states, None))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    found = ops.convert_to_numpy(CellClasses(2)(states, None))
    expected = [
        log_mean_probability(each.reshape(-1, 6)[:, -2:]) for each in states
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_gradients_are_finite_without_living_cells_and_with_large_states():
    states = np.random.default_rng(0).normal(size=(2, 3, 3, 4)) * 1e4
    states[0, ..., 0] = 0.0
    states[1, ..., 0] = 1.0
    mapping = CellClasses(2, LIVING)

    def loss(states):
        logits = mapping(states, None)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return loss(np.array([0, 1]), logits)

    found = gradient(loss, states.astype("float32"))
    found = ops.convert_to_numpy(found)
    assert np.isfinite(found).all()
    assert (found[0] == 0).all()


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
    for shape in ((2, 5, 20), (2, 20)):
        with pytest.raises(ValueError, match="height, width"):
            CellClasses(10)(np.zeros(shape, "float32"))
    with pytest.raises(ValueError, match="pass `living`"):
        neural_cellular_automata(step, num_classes=2)
