"""Sources that share layers share them after they are saved and loaded."""

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import FreeEmbeddings
from keras_reprogram.inputs import SourceTokens
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.sources import JoinedSource
from keras_reprogram.sources import TextSource
from keras_reprogram.sources import features
from keras_reprogram.sources import stage_features


@pytest.fixture
def classifier():
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, 2, "same", name="edges")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Conv2D(8, 3, 2, "same", name="shapes")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.5)(x)
    model = keras.Model(inputs, keras.layers.Dense(6)(x))
    model.preprocessor = keras.layers.Rescaling(1 / 255)
    for variable in model.weights:
        values = np.random.default_rng(0).uniform(0.5, 1, variable.shape)
        variable.assign(values)
    return model


def stages(classifier, size):
    return stage_features(
        classifier, (size, size, 3), grid=2, layers=["edges", "shapes"]
    )


def called(classifier, size):
    inputs = keras.Input((size, size, 3))
    return keras.Model(inputs, classifier(inputs))


def cut_and_whole(classifier, size):
    """The same layer on two inputs: a part of its own graph, and another."""
    inputs = keras.Input((8, 8, 3))
    edges = classifier.get_layer("edges")
    x = keras.layers.GlobalAveragePooling2D()(edges(ops.relu(inputs) + size))
    return keras.Model(inputs, x)


def with_preprocessor(classifier, size):
    """An attribute that is no part of a model's configuration."""
    model = stages(classifier, size)
    model.preprocessor = classifier.preprocessor
    return model


JOINED = {
    "a preprocessor": lambda it: [
        with_preprocessor(it, 8),
        with_preprocessor(it, 12),
    ],
    "two canvases": lambda it: [stages(it, 8), stages(it, 12)],
    "three canvases": lambda it: [called(it, 8), called(it, 12), called(it, 9)],
    "two readings": lambda it: [stages(it, 8), it, features(it)],
    "one twice": lambda it: [it, it],
    "several calls": lambda it: [cut_and_whole(it, 1), cut_and_whole(it, 2)],
}


@pytest.mark.parametrize("name", JOINED)
@pytest.mark.numpy_alone
def test_shared_layers_are_stored_once_and_loaded_as_they_were(
    classifier, name, tmp_path
):
    joined = JoinedSource(JOINED[name](classifier))
    inputs = [
        np.random.default_rng(1).random((2, *(n or 8 for n in it.shape[1:])))
        for it in joined.inputs
    ]
    wanted = ops.convert_to_numpy(joined(inputs))
    # A file of a file is still what it was.
    for _ in range(2):
        joined.save(tmp_path / "joined.keras")
        loaded = keras.saving.load_model(tmp_path / "joined.keras")
        assert loaded.count_params() == joined.count_params()
        assert len(loaded.weights) == len(joined.weights)
        found = ops.convert_to_numpy(loaded(inputs))
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
        joined = loaded
    copy = JoinedSource.from_config(joined.get_config())
    assert copy.count_params() == joined.count_params()


@keras.saving.register_keras_serializable("tests")
class Wrapper(keras.layers.Layer):
    """A layer that holds another one."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def call(self, inputs):
        return self.inner(inputs)


@pytest.mark.numpy_alone
def test_layers_that_a_file_cannot_share_are_a_value_error():
    inner = keras.layers.Dense(3)
    parts = [
        keras.Sequential([keras.Input((4,)), Wrapper(inner)]) for _ in range(2)
    ]
    with pytest.raises(ValueError, match="`save_program`.*Wrapper"):
        JoinedSource(parts).get_config()


@pytest.mark.numpy_alone
def test_one_text_model_is_read_twice(tmp_path):
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=20,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=32,
    )
    sources = [TextSource(backbone, kind) for kind in ("mean", "last")]
    model = ReprogrammedModel(
        sources,
        [TokenReprogrammer(FreeEmbeddings(9), target_length=4)]
        + [TokenReprogrammer(SourceTokens(20), target_length=4)],
        LabelMapper(2, "random"),
    )
    tokens = np.arange(12).reshape(3, 4) % 8 + 1
    wanted = model.predict_on_batch(tokens)
    model.save(tmp_path / "texts.keras")
    loaded = keras.saving.load_model(tmp_path / "texts.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(tokens), wanted)
    assert loaded.source.count_params() == backbone.count_params()
    model.save_program(tmp_path / "texts.program")
    loaded = ReprogrammedModel.load_program(tmp_path / "texts.program", sources)
    np.testing.assert_array_equal(loaded.predict_on_batch(tokens), wanted)
