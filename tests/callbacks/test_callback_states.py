"""What callbacks learn, as numbers and arrays that a file holds."""

import math

import keras
import numpy as np
import pytest
from tiny import reprogrammed

from keras_reprogram.callbacks import QueryBudget
from keras_reprogram.callbacks import RestoreBest
from keras_reprogram.callbacks import callback_states

pytestmark = pytest.mark.numpy_alone
# They know nothing of earlier epochs, or only what the model knows.
WITHOUT_STATE = (
    "Callback",
    "CallbackList",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ProgbarLogger",
    "RemoteMonitor",
    "TerminateOnNaN",
)
# `ResumeTraining` goes with these on conditions.
CHECKED = ("BackupAndRestore", "CSVLogger")


def test_every_callback_of_keras_is_known():
    saved = {kind.__name__ for kind in callback_states.STATES}
    found = {name for name in dir(keras.callbacks) if name[0] != "_"}
    assert found == {*WITHOUT_STATE, *CHECKED, *saved} - {"QueryBudget"}


@pytest.mark.parametrize(
    "callback",
    [
        keras.callbacks.EarlyStopping(),
        keras.callbacks.ModelCheckpoint("model.keras"),
        keras.callbacks.ReduceLROnPlateau(),
        keras.callbacks.SwapEMAWeights(),
        keras.callbacks.TensorBoard(),
    ],
)
def test_what_is_listed_is_what_keras_has(callback):
    if isinstance(callback, keras.callbacks.EarlyStopping):
        callback.on_train_begin()
    names = callback_states.attributes(callback)
    assert names
    assert all(hasattr(callback, name) for name in names)
    state = callback_states.state_of(callback, None)
    content, arrays = callback_states.packed({"one": state})
    assert callback_states.unpacked(content, arrays) == {"one": state}


def test_a_state_is_packed_and_unpacked_exactly():
    state = {
        "none": None,
        "numbers": [1, -0.1, math.inf, 10**30, True, False],
        "text": "ü\n{",
        "tuple": ((), ("a", [{}])),
        "single": np.float32(0.1),
        "array": np.arange(6, dtype="int8").reshape(2, 3),
        "tensor": keras.ops.arange(3, dtype="int32"),
        "half": keras.ops.cast([0.5, 1.5], "bfloat16"),
        "list": {"array": [np.zeros((0, 2))]},
    }
    content, arrays = callback_states.packed({"mine 1": state})
    assert all(type(array) is np.ndarray for array in arrays)
    found = callback_states.unpacked(content, arrays)["mine 1"]
    assert list(found) == list(state)
    for name in ("none", "numbers", "text", "tuple"):
        assert found[name] == state[name]
    assert found["single"] == state["single"]
    assert found["single"].dtype == "float32"
    assert f"{found['single']:.5f}" == "0.10000"
    np.testing.assert_array_equal(found["array"], state["array"])
    assert found["array"].dtype == "int8"
    np.testing.assert_array_equal(found["tensor"], [0, 1, 2])
    np.testing.assert_array_equal(found["half"], [0.5, 1.5])
    assert found["list"]["array"][0].shape == (0, 2)


@pytest.mark.parametrize(
    "value",
    [object(), print, {1, 2}, {1: 2}, b"bytes", np.array([print]), 1j],
)
def test_what_is_no_number_string_or_array_is_a_value_error(value):
    with pytest.raises(ValueError, match="get_state.*Received: .*mine"):
        callback_states.packed({"mine 1": {"deep": [value]}})


def test_names_do_not_depend_on_the_order():
    first, second = keras.callbacks.EarlyStopping(), RestoreBest((1, 2))
    third = keras.callbacks.EarlyStopping()
    one = callback_states.named([first, second, third])
    other = callback_states.named([second, first, third])
    assert one == other
    assert set(one) == {"EarlyStopping 1", "EarlyStopping 2", "RestoreBest 1"}


def test_the_weights_of_the_source_are_no_part_of_a_state(source):
    model = reprogrammed(source)
    callback = keras.callbacks.EarlyStopping(restore_best_weights=True)
    callback.on_train_begin()
    callback.best_weights = [value + 1 for value in model.get_weights()]
    state = callback_states.state_of(callback, model)
    shapes = [value.shape for value in state["best_weights"]]
    fixed = {id(weight) for weight in model.source.weights}
    left = [weight for weight in model.weights if id(weight) not in fixed]
    assert shapes == [tuple(weight.shape) for weight in left]
    callback.best_weights = None
    callback_states.restore(callback, model, state)
    for weight, found, old in zip(
        model.weights, callback.best_weights, model.get_weights()
    ):
        expected = old if id(weight) in fixed else old + 1
        np.testing.assert_array_equal(found, expected)
    state["best_weights"][0] = np.zeros(7)
    with pytest.raises(ValueError, match="Received: "):
        callback_states.restore(callback, model, state)


def test_a_budget_has_its_counts():
    budget = QueryBudget(100)
    budget.last, budget.largest = 60, 20
    budget.largest_of_validation = budget.validation = 5
    state = callback_states.state_of(budget, None)
    other = QueryBudget(100)
    callback_states.restore(other, None, state)
    assert vars(other) == vars(budget)
