import warnings

import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel


def fit(layer):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(layer(inputs))
    source = keras.Model(inputs, keras.layers.Dense(4)(x))
    model = ReprogrammedModel(
        source, InputReprogrammer((4, 4, 1)), LabelMapper(2)
    )
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(np.ones((4, 4, 4, 1)), np.arange(4) % 2, verbose=0)


@pytest.mark.skipif(keras.config.backend() != "jax", reason="JAX alone is slow")
def test_jax_on_a_cpu_warns_of_depthwise_convolutions():
    with pytest.warns(UserWarning, match="depthwise"):
        fit(keras.layers.DepthwiseConv2D(3))


def test_others_are_not_warned_of():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(keras.layers.Conv2D(2, 3))
        if keras.config.backend() != "jax":
            fit(keras.layers.DepthwiseConv2D(3))
    assert not [w for w in caught if "depthwise" in str(w.message)]
