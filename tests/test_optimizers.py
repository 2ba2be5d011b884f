import keras
import numpy as np
from keras import ops

from keras_reprogram.optimizers import NormalizedGradient


def test_every_step_has_the_same_length():
    variable = keras.Variable(np.zeros((3, 2)))
    optimizer = NormalizedGradient(0.5)
    gradient = np.array([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]], "float32")
    for scale in (1.0, 1e-3, 1e5):
        before = ops.convert_to_numpy(variable.value)
        optimizer.apply([ops.convert_to_tensor(scale * gradient)], [variable])
        step = ops.convert_to_numpy(variable.value) - before
        np.testing.assert_allclose(step, -0.5 * gradient / 5, rtol=1e-4)


def test_no_gradient_is_no_step():
    variable = keras.Variable(np.ones(3))
    NormalizedGradient(0.5).apply([ops.zeros(3)], [variable])
    np.testing.assert_array_equal(ops.convert_to_numpy(variable.value), 1.0)


def test_config_round_trip():
    optimizer = NormalizedGradient(2.0, momentum=0.9)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(copy, NormalizedGradient)
    assert copy.get_config() == optimizer.get_config()
