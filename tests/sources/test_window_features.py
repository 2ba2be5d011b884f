import keras
import numpy as np
import pytest
from keras import ops

import keras_reprogram
from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import SeriesPicture
from keras_reprogram.inputs import SlidingWindows
from keras_reprogram.sources import inspect_source
from keras_reprogram.sources import stage_features
from keras_reprogram.sources import window_features

WINDOWS = 3


def two_blocks():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(inputs)
    blocks = [keras.layers.Dense(size)(flat) for size in (4, 2)]
    return keras.Model(inputs, keras.layers.Concatenate()(blocks))


def canvases(batch=5):
    generator = np.random.default_rng(0)
    return generator.normal(size=(batch, WINDOWS, 8, 8, 3)).astype("float32")


def test_features_are_means_and_deviations_over_windows():
    source = two_blocks()
    values = canvases()
    by_window = np.stack(
        [
            ops.convert_to_numpy(source(values[:, index]))
            for index in range(WINDOWS)
        ]
    )
    expected = np.concatenate(
        [by_window.mean(axis=0), by_window.std(axis=0)], 1
    )
    found = ops.convert_to_numpy(window_features(source, WINDOWS)(values))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_each_block_has_a_block_of_means_and_one_of_deviations():
    model = window_features(two_blocks(), WINDOWS)
    specification = inspect_source(model)
    assert specification.block_sizes == (4, 2, 4, 2)
    assert specification.accepted_shape == (WINDOWS, 8, 8, 3)


def test_it_has_the_weights_and_the_scaling_of_its_source():
    source = two_blocks()
    source.preprocessor = object()
    model = window_features(source, WINDOWS)
    assert model.preprocessor is source.preprocessor
    assert {id(weight) for weight in model.weights} == {
        id(weight) for weight in source.weights
    }


def test_equal_windows_have_no_deviation_and_finite_gradients():
    model = ReprogrammedModel(
        window_features(two_blocks(), WINDOWS),
        InputReprogrammer(
            (12,),
            placement=SlidingWindows(6, SeriesPicture()),
            value_range=None,
        ),
        LabelMapper(2),
    )
    constant = np.zeros((8, 12), "float32")
    features = model.predict_source(constant)
    np.testing.assert_allclose(features[:, 6:], 0, atol=1e-4)
    model.fit(constant, np.arange(8) % 2, epochs=2, verbose=0)
    for weight in model.trainable_weights:
        assert np.isfinite(ops.convert_to_numpy(weight)).all()


def test_programs_and_models_are_saved(tmp_path):
    def model():
        return ReprogrammedModel(
            window_features(two_blocks(), WINDOWS),
            InputReprogrammer(
                (20, 2), placement=SlidingWindows(8), value_range=None
            ),
            LabelMapper(2),
        )

    trained = model()
    series = np.random.default_rng(0).normal(size=(8, 20, 2)).astype("float32")
    trained.fit(series, np.arange(8) % 2, epochs=1, verbose=0)
    expected = trained.predict(series, verbose=0)
    trained.save_program(tmp_path / "windows.program")
    trained.save(tmp_path / "windows.keras")
    for found in (
        ReprogrammedModel.load_program(
            tmp_path / "windows.program", source=model().source
        ),
        keras.saving.load_model(tmp_path / "windows.keras"),
    ):
        np.testing.assert_allclose(
            found.predict(series, verbose=0), expected, atol=1e-5
        )


def test_it_is_joined_with_a_source_of_whole_series():
    whole = InputReprogrammer(
        (20,),
        placement=SeriesPicture(),
        pattern=None,
        value_range=None,
    )
    windows = InputReprogrammer(
        (20,), placement=SlidingWindows(8), pattern=None, value_range=None
    )
    series = np.random.default_rng(0).normal(size=(16, 20)).astype("float32")
    source = two_blocks()
    model = keras_reprogram.recipes.few_samples(
        {
            "whole": (source, whole),
            "windows": (window_features(source, WINDOWS), windows),
        },
        series,
        np.arange(16) % 2,
        folds=2,
        verbose=0,
    )
    assert "ridge, joined" in model.label_mapper.cross_validation.candidates
    assert model.predict(series, verbose=0).shape == (16, 2)


@pytest.mark.parametrize("count", [0, 1, 2.5, "3"])
def test_there_are_two_windows_or_more(count):
    with pytest.raises(ValueError, match="num_windows"):
        window_features(two_blocks(), count)


def test_the_source_takes_one_size_and_returns_one_vector():
    inputs = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    with pytest.raises(ValueError, match=r"stage_features\(classifier"):
        window_features(keras.Model(inputs, pooled), WINDOWS)
    inputs = keras.Input((4, 3))
    steps = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    with pytest.raises(ValueError, match="average over its positions"):
        window_features(steps, WINDOWS)


def test_it_reads_the_stages_of_a_classifier():
    inputs = keras.Input((8, 8, 3))
    stage = keras.layers.Conv2D(2, 3, 2, "same", name="stage")(inputs)
    outputs = keras.layers.Dense(3)(keras.layers.Flatten()(stage))
    stages = stage_features(keras.Model(inputs, outputs), layers=["stage"])
    model = window_features(stages, WINDOWS)
    assert model.output_shape == (None, 2 * stages.output_shape[-1])
