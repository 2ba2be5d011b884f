import keras
import numpy as np
import pytest

import keras_reprogram
from keras_reprogram.inputs import RandomShift


def source(outputs=6):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(outputs)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, outputs)


def test_a_model_for_few_samples_is_ready_to_fit():
    model = keras_reprogram.recipes.few_samples(source(), num_classes=2)
    assert isinstance(model.input_reprogrammer.augmentation, RandomShift)
    generator = np.random.default_rng(0)
    labels = np.arange(32) % 2
    images = (
        generator.integers(0, 100, (32, 8, 8, 3))
        + 100 * labels[:, None, None, None]
    )
    model.fit(images.astype("uint8"), labels, epochs=3, verbose=0)
    loss, accuracy = model.evaluate(images, labels, verbose=0)
    assert accuracy >= 0.9


def test_an_input_of_ones_own_stays_as_it_is():
    ends = keras_reprogram.InputReprogrammer(pattern=None)
    model = keras_reprogram.recipes.few_samples(source(), 2, ends)
    assert model.input_reprogrammer.augmentation is None


@pytest.mark.parametrize(
    ("outputs", "expected"), [(6, 1e-3), (1000, 1e-3), (4000, 2.5e-4)]
)
def test_more_outputs_of_the_source_are_trained_in_smaller_steps(
    outputs, expected
):
    model = keras_reprogram.recipes.few_samples(source(outputs), num_classes=2)
    assert np.isclose(float(model.optimizer.learning_rate), expected)
    model = keras_reprogram.recipes.few_samples(
        source(outputs), num_classes=2, learning_rate=0.01
    )
    assert np.isclose(float(model.optimizer.learning_rate), 0.01)
