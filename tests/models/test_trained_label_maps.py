"""Every label map, from start to finish on a tiny source."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import SampleMaskedPattern
from keras_reprogram.losses import MaskedBinaryCrossentropy
from keras_reprogram.outputs import AttributeMapping

MAPS = {
    "frequency": "frequency",
    "iterative": "iterative",
    "bayesian": "bayesian",
    "bayesian_plus": "bayesian_plus",
    "groups": [[0, 1], [4, 5], [8, 9]],
    "attributes": AttributeMapping(
        [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]], top_k=2
    ),
}
CHANCE = 1 / 3


def tiny_source(dtype=None):
    """Twelve classes; random weights, the same on every backend."""
    inputs = keras.Input((16, 16, 3), dtype=dtype)
    x = keras.layers.Rescaling(1 / 128, -1, dtype=dtype)(inputs)
    x = keras.layers.Conv2D(8, 4, strides=4, activation="tanh", dtype=dtype)(x)
    x = keras.layers.Flatten(dtype=dtype)(x)
    source = keras.Model(inputs, keras.layers.Dense(12, dtype=dtype)(x))
    generator = np.random.default_rng(0)
    for weight in source.trainable_weights:
        weight.assign(generator.normal(0, 0.3, weight.shape))
    return source


def model_of(source, mapper):
    reprogrammer = InputReprogrammer(
        (8, 8, 1), pattern=SampleMaskedPattern((4, 8), 4)
    )
    return ReprogrammedModel(source, reprogrammer, mapper)


def trained(model, images, labels, loss, epochs=15):
    model.compile(keras.optimizers.Adam(0.03), loss)
    model.fit(images, labels, batch_size=12, epochs=epochs, verbose=0)
    return model.predict(images, verbose=0)


def check_files(model, source, images, predictions, tmp_path):
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy.predict(images, verbose=0), predictions)
    model.save_program(tmp_path / "model.program")
    copy = ReprogrammedModel.load_program(tmp_path / "model.program", source)
    for new, old in zip(copy.program_variables, model.program_variables):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(new.value), ops.convert_to_numpy(old.value)
        )


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
@pytest.mark.parametrize("name", MAPS)
def test_a_label_map_without_gradients_lets_the_program_learn(
    bright_quadrants, name, dtype, tmp_path
):
    source = tiny_source(dtype)
    model = model_of(source, LabelMapper(3, MAPS[name]))
    images, labels = bright_quadrants
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    predictions = trained(model, images, labels, loss)
    accuracy = (predictions.argmax(axis=1) == labels).mean()
    assert accuracy >= 0.8 > 2 * CHANCE
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    if dtype is None:
        check_files(model, source, images, predictions, tmp_path)


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_one_program_answers_several_binary_targets(
    bright_quadrants, dtype, tmp_path
):
    source = tiny_source(dtype)
    model = model_of(source, LabelMapper(2, multi_label=True))
    images, labels = bright_quadrants
    targets = np.stack([labels == 0, labels != 1], axis=1).astype("float32")
    known = targets.copy()
    known[::5, 0] = np.nan
    predictions = trained(model, images, known, MaskedBinaryCrossentropy())
    assert ((predictions > 0) == targets).mean() >= 0.9
    if dtype is None:
        check_files(model, source, images, predictions, tmp_path)
