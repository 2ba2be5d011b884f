import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.diagnostics import alignment
from keras_reprogram.diagnostics import sliced_wasserstein
from keras_reprogram.inputs import JoinedTransformation
from keras_reprogram.sources import JoinedSource


@pytest.fixture
def model():
    """A source of six linear outputs, without a pattern in front of it."""
    inputs = keras.Input((4,))
    source = keras.Model(inputs, keras.layers.Dense(6)(inputs))
    return ReprogrammedModel(
        source,
        InputReprogrammer((4,), pattern=None, value_range=None),
        LabelMapper(3),
    )


@pytest.fixture
def samples():
    return np.random.default_rng(0).normal(size=(30, 4)).astype("float32")


def test_samples_of_the_source_itself_are_aligned(model, samples):
    assert alignment(model, samples, samples) < 1e-6


def test_alignment_is_the_distance_of_the_sources_outputs(model, samples):
    moved = 2 * samples[:20] + 1
    kernel = ops.convert_to_numpy(model.source.layers[-1].kernel)
    outputs = moved @ kernel, samples @ kernel
    expected = sliced_wasserstein(*outputs, num_projections=16, seed=3)
    for given in (
        {"source_samples": samples},
        {"source_outputs": outputs[1]},
        {"source_outputs": ops.convert_to_tensor(outputs[1])},
    ):
        found = alignment(model, moved, num_projections=16, seed=3, **given)
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_at_most_so_many_samples_of_each_are_computed(model, samples):
    seen = []
    predict_source = model.predict_source
    model.predict_source = lambda x: seen.append(x) or predict_source(x)
    found = [
        alignment(model, samples, source_outputs=np.zeros((9, 6)), **settings)
        for settings in ({"max_samples": 8}, {"max_samples": 8, "seed": 1}, {})
    ]
    assert [len(x) for x in seen] == [8, 8, 30] and len(set(found)) == 3
    assert all((row == samples).all(axis=1).any() for row in seen[0])
    again = alignment(
        model, samples, source_outputs=np.zeros((9, 6)), max_samples=8
    )
    assert again == found[0]


def test_data_sets_are_drawn_from_after_the_source(model, samples):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return samples[10 * index : 10 * index + 10]

    expected = alignment(model, samples, samples + 1)
    found = alignment(model, Batches(), samples + 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    fewer = alignment(model, Batches(), samples + 1, max_samples=5)
    expected = alignment(model, samples, samples + 1, max_samples=5)
    np.testing.assert_allclose(fewer, expected, rtol=1e-4)


def test_outputs_at_every_step_are_one_vector_for_a_sample():
    inputs = keras.Input((5, 2))
    source = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    model = ReprogrammedModel(
        source,
        InputReprogrammer((5, 2), pattern=None, value_range=None),
        LabelMapper(2),
    )
    samples = np.random.default_rng(0).normal(size=(12, 5, 2))
    outputs = ops.convert_to_numpy(source(samples.astype("float32")))
    found = alignment(model, samples, source_outputs=outputs + 1)
    expected = sliced_wasserstein(
        outputs.reshape(12, -1), outputs.reshape(12, -1) + 1
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_source_is_in_inference_mode(source, images):
    model = ReprogrammedModel(source, InputReprogrammer((4, 4, 1)))
    own = np.random.default_rng(0).uniform(0, 255, size=(9, 8, 8, 3))
    outputs = source(own.astype("float32"), training=False)
    found = [
        alignment(model, images, own),
        alignment(model, images, source_outputs=outputs),
    ]
    np.testing.assert_allclose(*found, rtol=1e-4)


def test_joined_sources_take_samples_for_each_input(samples):
    def linear(size):
        inputs = keras.Input((size,))
        return keras.Model(inputs, keras.layers.Dense(2)(inputs))

    joined = JoinedSource([linear(4), linear(6)])
    transformations = [
        InputReprogrammer((4,), pattern=None, value_range=None)
        for _ in range(2)
    ]
    model = ReprogrammedModel(
        joined, JoinedTransformation(transformations), LabelMapper(3)
    )
    own = [samples, np.random.default_rng(1).normal(size=(30, 6))]
    outputs = joined([values.astype("float32") for values in own])
    for size in (100, 8):
        found = alignment(model, samples, own, max_samples=size)
        expected = alignment(
            model, samples, source_outputs=outputs, max_samples=size
        )
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_exactly_one_reference_is_needed(model, samples):
    for given in ({}, {"source_samples": samples, "source_outputs": samples}):
        with pytest.raises(ValueError, match="either .* Received"):
            alignment(model, samples, **given)


def test_wrong_references_models_and_settings_are_refused(model, samples):
    with pytest.raises(ValueError, match="same length.* 6 and of 5"):
        alignment(model, samples, source_outputs=np.zeros((9, 5)))
    with pytest.raises(ValueError, match="source_outputs"):
        alignment(model, samples, source_outputs=np.full((9, 6), np.nan))
    with pytest.raises(ValueError, match="ReprogrammedModel.* Functional"):
        alignment(model.source, samples, samples)
    for wrong in ({"max_samples": 0}, {"seed": -1}, {"num_projections": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            alignment(model, samples, samples, **wrong)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_of_the_source_are_finite(model, samples, value):
    ours = np.full((10, *model.source.input_shape[1:]), value, "float32")
    with pytest.raises(ValueError, match="finite numbers"):
        alignment(model, samples, ours)


def test_an_endless_data_set_is_refused(model, samples):
    class Endless(keras.utils.PyDataset):
        @property
        def num_batches(self):
            return None

        def __getitem__(self, index):
            return samples

    for arguments in ((Endless(), samples), (samples, Endless())):
        with pytest.raises(ValueError, match="ends.* Endless"):
            alignment(model, *arguments)
