import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import StatisticsPrompt
from keras_reprogram.inputs import series_statistics
from keras_reprogram.inputs.series import missing_values
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.sources import TextSource


def statistics(series, **kwargs):
    return ops.convert_to_numpy(series_statistics(series, **kwargs))


@pytest.mark.parametrize("length", [40, 41])
def test_the_statistics_are_numpys(length):
    series = np.random.default_rng(0).normal(size=(3, length))
    series = series.astype("float32")
    found = statistics(series)
    assert found.shape == (3, 9)
    np.testing.assert_allclose(
        found[:, :4],
        np.stack(
            [
                series.min(axis=1),
                series.max(axis=1),
                np.median(series, axis=1),
                series[:, -1] - series[:, 0],
            ],
            axis=1,
        ),
        atol=1e-6,
    )


def test_the_lags_are_peaks_of_the_autocorrelation():
    series = np.random.default_rng(0).normal(size=(4, 60)).astype("float32")
    for row, found in zip(series, statistics(series, num_lags=3)):
        rolled = [row @ np.roll(row, lag) for lag in range(60)]
        peaks = [
            lag
            for lag in range(1, 31)
            if rolled[lag - 1] < rolled[lag] >= rolled[(lag + 1) % 60]
        ]
        peaks.sort(key=lambda lag: -rolled[lag])
        np.testing.assert_allclose(found[4:] * 60, peaks[:3], atol=1e-4)


def test_missing_values_count_for_none_of_the_statistics():
    generator = np.random.default_rng(0)
    series = generator.normal(size=(5, 41)).astype("float32")
    known = generator.random((5, 41)) < 0.6
    known[0], known[1] = True, np.arange(41) == 20
    filled = missing_values.interpolated(series, known)
    found = statistics(filled, known=ops.convert_to_tensor(known))
    for row, mask, numbers in zip(series, known, found):
        there = row[mask]
        np.testing.assert_allclose(
            numbers[:4],
            [
                there.min(),
                there.max(),
                np.median(there),
                there[-1] - there[0],
            ],
            atol=1e-6,
        )
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:1], statistics(series[:1]), atol=1e-6)


def test_the_lag_of_a_wave_is_found_between_gaps_and_padding():
    series = np.sin(2 * np.pi * np.arange(96.0) / 24)[None].astype("float32")
    known = (np.arange(96) % 3 == 0) & (np.arange(96) < 80)
    filled = missing_values.interpolated(series, known[None])
    found = statistics(filled, num_lags=1, known=known[None])
    np.testing.assert_allclose(found[0, 4] * 96, 24, atol=1.0)


def test_the_lags_of_a_wave_are_its_periods_the_shorter_first():
    wave = np.sin(2 * np.pi * np.arange(96) / 12)[None].astype("float32")
    lags = statistics(wave, num_lags=4)[0, 4:] * 96
    np.testing.assert_allclose(lags, [12, 24, 36, 48], atol=1e-4)


def test_a_series_that_does_not_vary_has_finite_statistics():
    assert np.isfinite(statistics(np.zeros((2, 30), "float32"))).all()


def test_a_prompt_of_statistics_starts_at_tokens_and_moves_with_numbers():
    backbone = keras_hub.models.LlamaBackbone(
        vocabulary_size=20,
        num_layers=1,
        num_query_heads=2,
        num_key_value_heads=1,
        hidden_dim=8,
        intermediate_dim=16,
    )
    table = TextSource(backbone, "sequence").token_embeddings
    prompt = StatisticsPrompt(num_lags=1, token_ids=[4, 5, 6, 7, 8])
    prompt.build_on(SourceEmbeddings(table))
    series = np.random.default_rng(0).normal(size=(2, 10)).astype("float32")
    start = np.tile(ops.convert_to_numpy(table.value)[4:9], (2, 1, 1))
    np.testing.assert_allclose(ops.convert_to_numpy(prompt(series)), start)
    prompt.slopes.assign(np.ones((5, 8)))
    moved = ops.convert_to_numpy(prompt(series)) - start
    np.testing.assert_allclose(
        moved[:, :, 0], statistics(series, num_lags=1), atol=1e-5
    )


@pytest.mark.parametrize("unit", [1e-21, 1e19])
def test_the_lags_do_not_depend_on_the_unit(unit):
    series = np.random.default_rng(0).normal(size=(2, 30)).astype("float32")
    found, expected = statistics(series * np.float32(unit)), statistics(series)
    np.testing.assert_array_equal(found[:, 4:], expected[:, 4:])
    np.testing.assert_allclose(found[:, :4] / unit, expected[:, :4], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_statistics_of_low_precision_are_those_of_the_same_numbers(dtype):
    series = np.random.default_rng(0).normal(size=(2, 300))
    series = ops.cast(series, dtype)
    found = series_statistics(series)
    assert found.dtype == series.dtype
    expected = statistics(ops.cast(series, "float32"))
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(found, "float32")), expected, rtol=1e-2
    )
