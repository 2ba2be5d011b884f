import types

import keras
import numpy as np
import pytest

from keras_reprogram.callbacks import training_state


class Trained:
    """What is asked of a reprogrammed model."""

    def __init__(self):
        self.frozen, self.learned, self.moment = (
            keras.Variable(np.full(2, value, "float32")) for value in range(3)
        )
        self.source = types.SimpleNamespace(weights=[self.frozen])
        self.variables = [self.frozen, self.learned]
        self.learned_variables = [self.learned]
        self.optimizer = types.SimpleNamespace(variables=[self.moment])


def test_all_but_a_frozen_source_is_trained():
    model = Trained()
    assert training_state.trained_variables(model) == [
        model.learned,
        model.moment,
    ]
    values = training_state.trained_values(model)
    assert [value.tolist() for value in values] == [[1, 1], [2, 2]]
    # A layer of the source that is trained as well is no longer fixed.
    model.learned_variables.append(model.frozen)
    assert training_state.trained_variables(model)[0] is model.frozen


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int32"])
def test_a_value_is_assigned_exactly_as_it_was_read(dtype):
    first = keras.Variable([1.5, -3, 0], dtype=dtype, trainable=False)
    other = keras.Variable([0, 0, 0], dtype=dtype, trainable=False)
    value = training_state.value_of(first)
    assert value.dtype.kind == ("i" if dtype == "int32" else "f")
    training_state.assign([other], [value])
    np.testing.assert_array_equal(training_state.value_of(other), value)


def test_values_that_are_lost_are_those_of_what_is_learned():
    model = Trained()
    old = [np.array([1.0, np.inf]), np.zeros(2)]
    new = [np.array([np.nan, np.nan]), np.full(2, np.nan)]
    assert training_state.lost_and_learned(model, old, new) == 1
    assert training_state.lost_numbers(np.zeros(2), np.ones(2, int)) == 0


def test_values_of_other_variables_are_a_value_error():
    model = Trained()
    variables = training_state.trained_variables(model)
    training_state.check_shapes(variables, [np.zeros(2), np.zeros(2)])
    with pytest.raises(ValueError, match="Received: values of the shapes"):
        training_state.check_shapes(variables, [np.zeros(2), np.zeros(3)])
