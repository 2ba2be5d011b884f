import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.optimizers import NormalizedAdam
from keras_reprogram.optimizers import NormalizedGradient


def test_every_step_has_the_same_length():
    variable = keras.Variable(np.zeros((3, 2)))
    optimizer = NormalizedGradient(0.5)
    gradient = np.array([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]], "float32")
    for scale in (1.0, 1e-3, 1e5, 1e-30, 1e30):
        before = ops.convert_to_numpy(variable.value)
        optimizer.apply([ops.convert_to_tensor(scale * gradient)], [variable])
        step = ops.convert_to_numpy(variable.value) - before
        np.testing.assert_allclose(step, -0.5 * gradient / 5, rtol=1e-4)


def test_no_gradient_is_no_step():
    variable = keras.Variable(np.ones(3))
    NormalizedGradient(0.5).apply([ops.zeros(3)], [variable])
    np.testing.assert_array_equal(ops.convert_to_numpy(variable.value), 1.0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_step_of_low_precision_has_its_length(dtype):
    variable = keras.Variable(np.zeros((300, 300)), dtype=dtype)
    for scale in (1e-6, 1.0, 1e4):
        variable.assign(ops.zeros((300, 300)))
        gradient = ops.full((300, 300), scale, dtype=dtype)
        NormalizedGradient(30.0).apply([gradient], [variable])
        step = ops.convert_to_numpy(ops.cast(variable.value, "float32"))
        np.testing.assert_allclose(step, -0.1, rtol=1e-2)


def test_rows_that_are_looked_up_twice_count_as_one():
    table = keras.layers.Embedding(4, 2)
    model = keras.Sequential([keras.Input((3,), dtype="int32"), table])
    model.compile(NormalizedGradient(0.5), "mse", jit_compile=False)
    before = ops.convert_to_numpy(table.embeddings.value)
    model.fit(np.array([[0, 1, 1]]), np.ones((1, 3, 2)), verbose=0)
    step = ops.convert_to_numpy(table.embeddings.value) - before
    expected = (1 - before) * np.array([[1], [2], [0], [0]])
    expected *= 0.5 / np.linalg.norm(expected)
    np.testing.assert_allclose(step, expected, rtol=1e-4)


def test_config_round_trip():
    optimizer = NormalizedGradient(2.0, momentum=0.9)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(copy, NormalizedGradient)
    assert copy.get_config() == optimizer.get_config()


def test_steps_of_normalized_adam_do_not_depend_on_the_scale():
    gradients = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    units = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    expected, adam = keras.Variable(np.zeros(4)), keras.optimizers.Adam(0.1)
    found, normalized = keras.Variable(np.zeros(4)), NormalizedAdam(0.1)
    for gradient, unit, scale in zip(gradients, units, (1.0, 1e-4, 1e5)):
        adam.apply([ops.convert_to_tensor(unit)], [expected])
        normalized.apply([ops.convert_to_tensor(scale * gradient)], [found])
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), ops.convert_to_numpy(expected), rtol=1e-4
    )
    config = keras.optimizers.serialize(normalized)
    assert isinstance(keras.optimizers.deserialize(config), NormalizedAdam)


@pytest.mark.numpy_alone
@pytest.mark.parametrize("make", [NormalizedGradient, NormalizedAdam])
@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf")])
def test_a_learning_rate_is_a_number_of_at_least_0(make, rate):
    with pytest.raises(ValueError, match="`learning_rate`.*Received: "):
        make(rate)


@pytest.mark.numpy_alone
def test_a_decay_that_is_1_in_a_low_precision_is_a_value_error():
    variable = keras.Variable(np.zeros(2), dtype="bfloat16")
    gradient = ops.ones(2, "bfloat16")
    with pytest.raises(ValueError, match="`beta_2` is 1.*mixed_bfloat16"):
        NormalizedAdam(0.1).apply([gradient], [variable])
    NormalizedAdam(0.1, beta_2=0.99).apply([gradient], [variable])
    assert ops.convert_to_numpy(ops.cast(variable, "float32")).all()
