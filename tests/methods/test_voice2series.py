"""Voice2Series from start to finish, on a tiny source of waveforms."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import ReprogrammedModel
from keras_reprogram import methods
from keras_reprogram.inputs import Tile

SAMPLES, STEPS = 256, 32


def hearing(dtype="float32"):
    """A source that tells six tones by their energies, as probabilities."""
    tones = np.arange(3, 9)[:, None, None]
    phases = np.array([0, np.pi / 2])[None, :, None]
    angles = 2 * np.pi * np.arange(32) / 32
    waves = np.sin(tones * angles + phases).reshape(12, 32)
    inputs = keras.Input((SAMPLES,), dtype=dtype)
    x = keras.layers.Reshape((SAMPLES, 1), dtype=dtype)(inputs)
    wave = keras.layers.Conv1D(12, 32, 8, use_bias=False, dtype=dtype)
    x = ops.square(wave(x))
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.GlobalAveragePooling1D(dtype=dtype)(x)
    energy = keras.layers.Dense(6, "softmax", use_bias=False, dtype=dtype)
    source = keras.Model(inputs, energy(x))
    wave.set_weights([waves.T[:, None] / 4])
    energy.set_weights([np.kron(np.eye(6), np.ones((2, 1)))])
    return source


@pytest.fixture
def slow_and_fast():
    """Series of four oscillations or of one, with noise."""
    generator = np.random.default_rng(0)
    labels = np.arange(64) % 2
    angles = 2 * np.pi * np.arange(STEPS) / STEPS
    phases = generator.uniform(0, 2 * np.pi, (64, 1))
    oscillations = np.where(labels, 1.0, 4.0)[:, None]
    series = np.sin(oscillations * angles + phases)
    series += generator.normal(0, 0.1, series.shape)
    return series.astype("float32"), labels


def trained(
    source, series, labels, epochs=30, method=methods.voice2series, **kwargs
):
    model = method(source, 2, target_shape=series.shape[1:], seed=0, **kwargs)
    history = model.fit(
        series, labels, batch_size=32, epochs=epochs, verbose=0
    ).history
    assert np.isfinite(history["loss"]).all()
    return model


def accuracy(model, series, labels):
    return (model.predict(series, verbose=0).argmax(axis=1) == labels).mean()


def test_it_learns_and_survives_its_files(slow_and_fast, tmp_path):
    series, labels = slow_and_fast
    source = hearing()
    before = source.get_weights()
    model = trained(source, series, labels, copies=3, regularization=1e-3)
    assert accuracy(model, series, labels) >= 0.95
    for old, new in zip(before, source.get_weights()):
        np.testing.assert_array_equal(old, new)
    predictions = model.predict(series, verbose=0)

    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy.predict(series, verbose=0), predictions)
    copy.fit(series, labels, verbose=0)

    model.save_program(tmp_path / "model.program")
    copy = ReprogrammedModel.load_program(tmp_path / "model.program", source)
    np.testing.assert_array_equal(copy.predict(series, verbose=0), predictions)
    pattern = copy.input_reprogrammer.pattern
    assert (pattern.dropout, pattern.seed) == (0.4, 0)


def test_the_program_is_whole_at_inference_and_dropped_in_training(
    slow_and_fast,
):
    series, labels = slow_and_fast
    model = trained(hearing(), series, labels, epochs=1)
    first, second = (model.predict(series, verbose=0) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    layer = model.input_reprogrammer
    first, second = (
        ops.convert_to_numpy(layer(series[:1], training=True)) for _ in range(2)
    )
    assert (first != second).any()


def test_the_mask_keeps_the_data_as_they_are(slow_and_fast):
    series, labels = slow_and_fast
    model = trained(hearing(), series, labels, epochs=2, copies=2)
    canvas = ops.convert_to_numpy(model.input_reprogrammer(series))
    theta = model.input_reprogrammer.pattern.theta
    assert theta.shape == (SAMPLES - 2 * STEPS,)
    for start in (0, SAMPLES // 2):
        np.testing.assert_array_equal(canvas[:, start : start + STEPS], series)


def test_a_series_longer_than_the_waveform_and_one_of_several_channels(
    slow_and_fast,
):
    series, labels = slow_and_fast
    long = np.repeat(series, 16, axis=1)
    model = trained(hearing(), long, labels, epochs=1, inner_size=128)
    assert model.input_reprogrammer.pattern.theta.shape == (128,)
    channels = np.stack([series, -series], axis=-1)
    model = trained(hearing(), channels, labels, epochs=1)
    canvas = ops.convert_to_numpy(model.input_reprogrammer(channels))
    np.testing.assert_array_equal(
        canvas[:, 96:160], np.concatenate([series, -series], axis=1)
    )


def test_it_learns_together_with_the_last_layer_and_a_similarity_map(
    slow_and_fast, tmp_path
):
    series, labels = slow_and_fast
    source = hearing()
    before = source.get_weights()
    model = trained(
        source,
        series,
        labels,
        method=methods.similarity_mapping,
        sources_per_target=3,
        trainable_source_layers=1,
        placement=Tile(3),
        regularization=1e-3,
        learning_rate=0.05,
    )
    assert accuracy(model, series, labels) >= 0.95
    waves, energies = source.get_weights()
    np.testing.assert_array_equal(waves, before[0])
    assert (energies != before[1]).any()
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        copy.predict(series, verbose=0), model.predict(series, verbose=0)
    )


def test_it_works_before_a_bfloat16_source(slow_and_fast):
    series, labels = slow_and_fast
    model = trained(
        hearing("bfloat16"), series, labels, copies=3, regularization=1e-3
    )
    assert model.input_reprogrammer.pattern.theta.dtype == "float32"
    assert accuracy(model, series, labels) >= 0.95
