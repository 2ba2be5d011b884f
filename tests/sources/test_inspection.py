import keras
import pytest
from keras import ops

from keras_reprogram.sources import inspect_source


def network(units, last):
    inputs = keras.Input((1,))
    outputs = keras.layers.Dense(units, kernel_initializer="ones")(inputs)
    return keras.Model(inputs, last(outputs))


@pytest.mark.parametrize(
    "last, expected",
    [
        (lambda x: x, "linear"),
        (keras.layers.Activation("sigmoid"), "sigmoid"),
        (keras.layers.Softmax(), "softmax"),
        (ops.sigmoid, "sigmoid"),
        (ops.softmax, "softmax"),
        (lambda x: ops.cast(ops.sigmoid(x), "float32"), "sigmoid"),
        (
            lambda x: keras.layers.Reshape((3,))(
                keras.layers.Activation("softmax")(x)
            ),
            "softmax",
        ),
        (lambda x: ops.softmax(ops.expand_dims(x, 1))[:, 0], "softmax"),
        (lambda x: ops.log_softmax(x), "linear"),
        (lambda x: ops.sigmoid(x) * 2.0, "linear"),
    ],
)
def test_the_final_activation_is_found(last, expected):
    source = network(3, last)
    specification = inspect_source(source)
    assert specification.activation == expected
    assert specification.from_logits == (expected == "linear")
