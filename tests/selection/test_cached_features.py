import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.selection.cached_features import CachedFeatures


def model(seed=0, offset=None):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((4, 4, 3))
    outputs = keras.layers.Dense(5)(keras.layers.Flatten()(inputs))
    return ReprogrammedModel(
        keras.Model(inputs, outputs),
        InputReprogrammer((4, 4, 1), pattern=None, offset=offset),
        LabelMapper(2),
    )


def samples(count=7):
    generator = np.random.default_rng(0)
    return generator.integers(0, 255, (count, 4, 4, 1)).astype("uint8")


def files(path):
    return sorted(file.name for file in path.iterdir())


def test_features_are_those_of_the_source_in_batches_of_any_size(tmp_path):
    one, images = model(), samples()
    counts = []
    found = CachedFeatures(tmp_path).features(one, images, 3, counts.append)
    np.testing.assert_allclose(found, one.predict_source(images), rtol=1e-5)
    assert counts == [3, 3, 1]


def test_features_are_read_again_in_a_later_run(tmp_path, monkeypatch):
    images = samples()
    first = CachedFeatures(tmp_path).features(model(), images, 4)
    again = model()  # Its layers have other names.
    monkeypatch.setattr(again, "predict_source", None)
    counts = []
    found = CachedFeatures(tmp_path).features(again, images, 4, counts.append)
    np.testing.assert_array_equal(found, first)
    assert counts == [7]


@pytest.mark.parametrize(
    "other", ["weights", "samples", "scaling", "dtype of samples"]
)
def test_another_source_or_other_samples_are_not_mixed_up(tmp_path, other):
    cache, images = CachedFeatures(tmp_path), samples()
    cache.features(model(), images, 4)
    changed = {
        "weights": (model(seed=1), images),
        "samples": (model(), images[::-1]),
        "scaling": (model(offset=0.5), images),
        "dtype of samples": (model(), images.astype("float32")),
    }
    cache.features(*changed[other], 4)
    assert len(files(tmp_path)) == 2


def test_a_pass_that_is_interrupted_leaves_no_file(tmp_path):
    def interrupt(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CachedFeatures(tmp_path).features(model(), samples(), 3, interrupt)
    assert files(tmp_path) == []


def test_features_are_memory_mapped(tmp_path):
    found = CachedFeatures(tmp_path).features(model(), samples(), 3)
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable
