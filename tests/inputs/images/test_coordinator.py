import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import CoordinatorPattern
from keras_reprogram.sources import FrozenSource


def features() -> keras.Model:
    """A frozen encoder of 768 features, as a vision transformer's."""
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(768)(keras.layers.GlobalMaxPooling2D()(inputs))
    encoder = keras.Model(inputs, outputs)
    encoder.trainable = False
    return encoder


def test_a_frozen_source_may_be_the_encoder():
    layer = InputReprogrammer(
        source_shape=(16, 16, 3),
        pattern=CoordinatorPattern(FrozenSource(features())),
        clip=True,
    )
    assert layer(np.ones((1, 8, 8, 3))).shape == (1, 16, 16, 3)


def test_a_trainable_encoder_is_a_value_error():
    encoder = features()
    encoder.trainable = True
    for layer in encoder.layers:
        layer.trainable = True
    with pytest.raises(ValueError, match="frozen"):
        CoordinatorPattern(encoder)


def test_a_coordinator_by_itself_needs_an_encoder():
    layer = InputReprogrammer(
        source_shape=(16, 16, 3), pattern=CoordinatorPattern()
    )
    with pytest.raises(ValueError, match="encoder"):
        layer(np.ones((1, 8, 8, 3)))


def test_a_coordinator_that_reads_the_source_is_of_one_source():
    layer = InputReprogrammer((8, 8, 3), pattern=CoordinatorPattern())
    source, samples = features(), np.ones((1, 8, 8, 3))
    model = ReprogrammedModel(source, layer, LabelMapper(2, "identity"))
    before = model.predict_on_batch(samples)
    with pytest.raises(ValueError, match="another source"):
        ReprogrammedModel(features(), layer, LabelMapper(2, "identity"))
    np.testing.assert_array_equal(model.predict_on_batch(samples), before)
    ReprogrammedModel(source, layer, LabelMapper(2, "identity"))
