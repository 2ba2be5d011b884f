"""Label maps of sources with an output at every position."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.outputs.targets import INTEGERS
from keras_reprogram.outputs.targets import LabelFormat


@pytest.fixture
def outputs():
    return np.random.default_rng(0).normal(size=(4, 5, 6)).astype("float32")


@pytest.mark.parametrize(
    "mapping", ["linear", "frequency", "bayesian_plus", "identity"]
)
def test_every_position_is_mapped_as_a_sample_would_be(outputs, mapping):
    labels = np.arange(20).reshape(4, 5) % 3
    by_position, by_sample = LabelMapper(3, mapping), LabelMapper(3, mapping)
    by_position.build((None, 5, 6))
    by_sample.build((None, 6))
    by_position.adapt([(outputs, labels)])
    by_sample.adapt([(outputs.reshape(20, 6), labels.reshape(20))])
    np.testing.assert_allclose(
        ops.convert_to_numpy(by_position(outputs)).reshape(20, 3),
        ops.convert_to_numpy(by_sample(outputs.reshape(20, 6))),
        rtol=1e-5,
    )
    assert by_position.compute_output_shape((None, 5, 6)) == (None, 5, 3)


def test_a_position_without_a_label_does_not_count(outputs):
    labels = np.arange(20).reshape(4, 5) % 3
    masked = np.where(np.arange(5) < 3, labels, -1)
    whole, part = LabelMapper(3, "iterative"), LabelMapper(3, "iterative")
    for mapper in (whole, part):
        mapper.build((None, None, 6))
    whole.adapt([(outputs[:, :3], labels[:, :3])])
    part.adapt([(outputs, masked)])
    part.update_statistics(outputs, masked)
    assert ops.convert_to_numpy(part.statistics.value).sum() == 12
    np.testing.assert_array_equal(
        ops.convert_to_numpy(part.matrix),
        ops.convert_to_numpy(whole.matrix),
    )


@pytest.mark.parametrize("mapping", ["linear", "iterative"])
def test_a_source_of_pixels_is_reprogrammed_to_segment(mapping):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    pixels = keras.layers.Conv2D(16, 1)(keras.layers.Rescaling(1 / 128)(inputs))
    generator = np.random.default_rng(0)
    labels = np.repeat(generator.integers(0, 2, (24, 1, 8)), 8, axis=1)
    images = (labels[..., None] * 120 + 40).astype("uint8")
    model = ReprogrammedModel(
        keras.Model(inputs, pixels),
        InputReprogrammer((8, 8, 1)),
        LabelMapper(2, mapping),
    )
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=-1
    )
    model.compile(keras.optimizers.Adam(0.05), loss)
    labels[:, 7] = -1
    model.fit(images, labels, batch_size=8, epochs=12, verbose=0)
    predictions = model.predict(images, verbose=0)
    assert predictions.shape == (24, 8, 8, 2)
    correct = predictions.argmax(axis=-1)[:, :7] == labels[:, :7]
    assert correct.mean() >= 0.95


def test_binary_targets_at_every_position(outputs):
    labels = (np.arange(40).reshape(4, 5, 2) % 3 == 0).astype("float32")
    mapper = LabelMapper(2, "frequency", multi_label=True)
    mapper.build((None, 5, 6))
    mapper.targets.check(labels, LabelFormat())
    mapper.adapt([(outputs, labels)])
    assert ops.convert_to_numpy(mapper(outputs)).shape == (4, 5, 2)


def test_labels_of_other_positions_are_a_value_error():
    mapper = LabelMapper(3)
    mapper.build((None, 5, 6))
    missing = np.full((4, 5), -1)
    mapper.targets.check(missing, LabelFormat(sparse=True, ignored=-1))
    # No backend has the loss of a label that is none.
    with pytest.raises(ValueError, match="ignore_class=-1.*Received: 20 of"):
        mapper.targets.check(missing, INTEGERS)
    for labels in (np.zeros(4, int), np.zeros((4, 5, 3), int)):
        with pytest.raises(ValueError, match="position.*Received: "):
            mapper.targets.check(labels, INTEGERS)
    with pytest.raises(ValueError, match="Received: "):
        mapper.targets.check(np.full((4, 5), 3), INTEGERS)
