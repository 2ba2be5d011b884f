"""Fingerprints of version 0.1.0, which hold no architecture."""

import keras
import numpy as np
import pytest

from keras_reprogram.sources import compare_fingerprints
from keras_reprogram.sources import fingerprint
from keras_reprogram.sources import not_compared


def network(kind, activation="relu"):
    stack = [keras.layers.Dense(4, activation), keras.layers.Dense(3)]
    if kind == "sequential":
        model = keras.Sequential([keras.Input((5,)), *stack])
    else:
        inputs = keras.Input((5,))
        model = keras.Model(inputs, stack[1](stack[0](inputs)))
    model.set_weights(
        [
            np.arange(np.prod(weight.shape)).reshape(weight.shape)
            for weight in model.weights
        ]
    )
    return model


@pytest.fixture
def old():
    expected = fingerprint(network("functional"))
    del expected["architecture"]
    return expected


@pytest.mark.numpy_alone
def test_weights_alone_are_compared(old):
    for kind in ("functional", "sequential"):
        for activation in ("relu", "tanh"):
            source = network(kind, activation)
            assert compare_fingerprints(source, old) == []
            assert "weights alone. Save it again" in not_compared(source, old)
    source.layers[0].kernel.assign(np.ones((5, 4)))
    (found,) = compare_fingerprints(source, old)
    assert "1 of 4 weights have other values" in found


@pytest.mark.numpy_alone
def test_another_class_is_another_source(old):
    class Mine(keras.Model):
        pass

    plain = network("functional")
    source = Mine(plain.inputs, plain.outputs)
    assert "model is Mine, not Functional" in compare_fingerprints(source, old)


@pytest.mark.numpy_alone
def test_a_whole_comparison_leaves_nothing_open():
    source = network("functional")
    assert not_compared(source, fingerprint(source)) is None


@pytest.mark.numpy_alone
def test_the_order_of_weights_is_that_of_the_computation():
    """Not that in which a model came to its layers."""

    def branches(nested):
        inputs = keras.Input((4,))
        one, two = (keras.layers.Dense(2, name=name) for name in "ab")
        if nested:
            inner = keras.Input((4,))
            parts = keras.Model(inner, [one(inner), two(inner)])(inputs)
        else:
            parts = [one(inputs), two(inputs)]
        outputs = keras.layers.Subtract()(parts[::-1])
        model = keras.Model(inputs, outputs)
        for number, layer in enumerate((one, two)):
            layer.kernel.assign(np.full((4, 2), float(number)))
        return model

    assert (
        compare_fingerprints(branches(True), fingerprint(branches(False))) == []
    )
