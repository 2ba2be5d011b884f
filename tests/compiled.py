"""Models whose losses and metrics the tests of `compile` compare."""

import warnings

import keras

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel


def model(activation=None, mapping="identity", **kwargs):
    inputs = keras.Input((6,))
    dense = keras.layers.Dense(6, activation, kernel_initializer="identity")
    return ReprogrammedModel(
        keras.Model(inputs, dense(inputs)),
        InputReprogrammer((6,), value_range=None, pattern=None),
        LabelMapper(3, mapping, **kwargs),
    )


def warned(reprogrammed, loss, **kwargs):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        reprogrammed.compile("sgd", loss, **kwargs)
    return [str(w.message) for w in seen if "logits" in str(w.message)]
