"""What is used of Keras's private members is there, and means what we think."""

import keras
import numpy as np
from keras import ops

from keras_reprogram import keras_internals

SEEN = []


class Spy(keras.layers.Layer):
    def call(self, inputs):
        SEEN[:] = (
            keras_internals.in_symbolic_scope(),
            keras_internals.in_stateless_scope(),
            keras_internals.entry_layer(self),
        )
        return inputs


def test_symbolic_calls_are_told_from_others():
    spy = Spy()
    spy(np.zeros((1, 2)))
    assert not SEEN[0] and SEEN[2] is spy
    spy(keras.Input((2,)))
    assert SEEN[0]


def test_the_outermost_layer_of_a_call_is_found():
    spy = Spy()
    model = keras.Sequential([keras.Input((2,)), spy])
    model(np.zeros((1, 2)))
    assert SEEN[2] is model and not SEEN[0]


def test_a_stateless_scope_is_found():
    spy = Spy()
    with keras.StatelessScope():
        spy(ops.zeros((1, 2)))
    assert SEEN[1]


def test_the_value_of_a_variable_is_read_while_a_step_is_traced():
    layer = keras.layers.Dense(1)
    layer.build((None, 1))
    layer.bias.assign([3.0])
    read = []

    class Reader(keras.layers.Layer):
        def call(self, inputs):
            read.append(keras_internals.concrete_value(layer.bias))
            return inputs

    model = keras.Sequential([keras.Input((1,)), Reader()])
    model.predict(np.zeros((2, 1)), verbose=0)
    assert all(float(value[0]) == 3.0 for value in read) and read
