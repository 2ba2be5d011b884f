import keras
import numpy as np

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel


def test_a_clone_of_the_layers_needs_no_source():
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(6, "softmax")(keras.layers.Flatten()(inputs))
    mapper = LabelMapper(3, "random")
    given = mapper.get_config()
    model = ReprogrammedModel(
        keras.Model(inputs, outputs), InputReprogrammer(), mapper
    )
    assert mapper.from_logits is None and mapper.source_activation is None
    assert mapper.get_config().items() >= given.items()
    for layer in (model.input_reprogrammer, mapper):
        copy = type(layer).from_config(layer.get_config())
        assert copy.get_config() == layer.get_config()
        assert copy.resolved_config() == layer.resolved_config()
    samples = np.zeros((2, 8, 8, 3))
    assert copy(model.predict_source(samples)).shape == (2, 3)
    assert not copy.returns_logits
