"""Series to classes and numbers, on tiny language models."""

import keras
import keras_hub
import numpy as np
import pytest

from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import SeriesReprogrammer
from keras_reprogram.inputs import padded_series
from keras_reprogram.outputs import AttentiveProbe
from keras_reprogram.outputs import RegressionHead
from keras_reprogram.sources import TextSource


def source(pooling="sequence"):
    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=30,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=32,
    )
    return TextSource(backbone, pooling)


def ragged_waves(samples=24):
    """Waves of unequal length; of the first class, a channel is a line."""
    generator = np.random.default_rng(0)
    series = []
    for index in range(samples):
        steps = np.arange(generator.integers(24, 41))
        phase = generator.uniform(0, 6)
        wave = np.sin(steps / 2 + phase)
        other = steps / 40 if index % 2 else wave
        series.append(np.stack([wave, other], axis=1))
        series[-1][generator.integers(len(steps))] = np.nan
    return padded_series(series, 40), np.arange(samples) % 2


def classifier(head, pooling="concatenate", source_pooling="sequence"):
    return ReprogrammedModel(
        source(source_pooling),
        SeriesReprogrammer(
            (40, 2),
            prototypes=5,
            pooling=pooling,
            missing_values="mask",
        ),
        head,
    )


def test_ragged_series_are_classified_and_survive_their_files(tmp_path):
    x, y = ragged_waves()
    model = classifier(LabelMapper(2))
    model.compile(keras.optimizers.Adam(0.02), "auto", metrics=["accuracy"])
    model.fit(x, y, epochs=10, batch_size=8, verbose=0)
    assert model.evaluate(x, y, verbose=0)[1] > 0.9
    expected = model.predict(x, verbose=0)
    assert expected.shape == (24, 2) and np.isfinite(expected).all()
    model.save_program(tmp_path / "waves.program")
    copy = ReprogrammedModel.load_program(
        tmp_path / "waves.program", model.source
    )
    np.testing.assert_array_equal(copy.predict(x, verbose=0), expected)
    model.save(tmp_path / "waves.keras")
    copy = keras.models.load_model(tmp_path / "waves.keras")
    np.testing.assert_allclose(copy.predict(x, verbose=0), expected, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "concatenate"])
@pytest.mark.parametrize("source_pooling", ["mean", "last", "sequence"])
def test_any_pooling_gives_one_prediction_for_a_sample(pooling, source_pooling):
    x, y = ragged_waves(4)
    model = classifier(RegressionHead(1), pooling, source_pooling)
    model.adapt(x, y * 100.0, verbose=0)
    assert model.predict(x, verbose=0).shape == (4, 1)
    features = 8 if pooling == "mean" else 16
    assert model.source_model.output_shape == (None, features)


def test_the_blocks_of_a_probe_are_the_channels(tmp_path):
    x, y = ragged_waves(8)
    model = classifier(AttentiveProbe(2, width=4))
    model.adapt(x, y, verbose=0)
    assert model.label_mapper.blocks == (8, 8)


def test_what_is_wrong_with_series_is_said_before_training():
    x, y = ragged_waves(4)
    empty, infinite = x.copy(), x.copy()
    empty[1, :, 0], infinite[2, 3, 1] = np.nan, np.inf
    model = classifier(LabelMapper(2))
    for bad, message in (
        (empty, "sample 1, channel 0"),
        (infinite, "infinity"),
        (x[:, 1:], "target_shape"),
    ):
        with pytest.raises(ValueError, match=message):
            model.predict(bad, verbose=0)
    plain = ReprogrammedModel(
        source(), SeriesReprogrammer((40, 2), 5), LabelMapper(2)
    )
    with pytest.raises(ValueError, match="`missing_values`"):
        plain.predict(x, verbose=0)
    with pytest.raises(ValueError, match='pooling="concatenate"'):
        plain.fit(np.nan_to_num(x), y, verbose=0)


def test_the_steps_of_a_data_set_count_a_channel_without_values():
    x, y = ragged_waves(8)
    x[5, :, 0] = np.nan
    model = classifier(LabelMapper(2, mapping="linear"))
    model.adapt(x[:4], y[:4], verbose=0)
    batches = [(x[:4], y[:4]), (x[4:], y[4:])]
    with pytest.raises(ValueError, match="a value in every channel"):
        model.fit(iter(batches), verbose=0)
