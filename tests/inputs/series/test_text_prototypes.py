import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import TextPrototypes
from keras_reprogram.inputs.series.series_statistics import series_statistics
from keras_reprogram.inputs.series.text_prototypes import root_mean_square
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings


def numpy(value):
    return ops.convert_to_numpy(value)


def vocabulary(unit=1.0, dtype="float32"):
    values = np.random.default_rng(0).normal(size=(50, 8)) * unit
    return keras.Variable(values, dtype=dtype, trainable=False)


def built(table, **settings):
    layer = TextPrototypes(6, heads=2, dropout=0.0, **settings)
    layer.build_on(SourceEmbeddings(table), patch_width=4)
    return layer


PATCHES = np.random.default_rng(1).normal(size=(2, 3, 4)).astype("float32")


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_prototypes_are_in_the_unit_of_the_embeddings(unit):
    expected = numpy(built(vocabulary())(PATCHES))
    found = numpy(built(vocabulary(unit))(PATCHES))
    np.testing.assert_allclose(found / unit, expected, rtol=1e-4, atol=1e-5)


def test_the_unit_is_the_root_mean_square_of_all_words():
    table = np.random.default_rng(0).normal(size=(9000, 2))
    found = root_mean_square(SourceEmbeddings(table))
    np.testing.assert_allclose(found, np.sqrt((table**2).mean()), rtol=1e-6)
    assert root_mean_square(SourceEmbeddings(0 * table)) == 1.0


def test_float16_takes_embeddings_below_its_range():
    layer = built(vocabulary(1e-5), dtype="mixed_float16")
    expected = built(vocabulary(1e-5))
    np.testing.assert_allclose(
        numpy(ops.cast(layer.keys_and_values(), "float32")),
        numpy(expected.keys_and_values()),
        atol=0.02,
    )
    assert np.isfinite(numpy(layer(PATCHES))).all()


def test_candidates_are_looked_up_before_they_are_cast(monkeypatch):
    table = vocabulary(dtype="bfloat16")
    layer = built(table, candidates=[3, 9, 4])
    cast, sizes = ops.cast, []

    def counted(value, dtype):
        if tuple(value.shape)[-1:] == (8,):
            sizes.append(value.shape[0])
        return cast(value, dtype)

    monkeypatch.setattr(ops, "cast", counted)
    layer.keys_and_values()
    assert sizes and max(sizes) <= 6


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_the_lags_of_a_series_do_not_depend_on_its_unit(unit):
    series = np.random.default_rng(0).normal(size=(4, 48)).astype("float32")
    series = series - series.mean(axis=1, keepdims=True)
    expected = numpy(series_statistics(series))[:, 4:]
    found = numpy(series_statistics(series * np.float32(unit)))[:, 4:]
    np.testing.assert_array_equal(found, expected)
    assert np.isfinite(numpy(series_statistics(np.zeros((1, 48))))).all()
