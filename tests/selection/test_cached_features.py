import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.selection.cached_features import CachedFeatures
from keras_reprogram.selection.cached_features import check_features


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


def test_features_that_are_damaged_are_computed_again(tmp_path):
    one, images = model(), samples()
    expected = np.array(CachedFeatures(tmp_path).features(one, images, 4))
    (path,) = tmp_path.iterdir()
    for content in (b"", b"no array", path.read_bytes()[:-8]):
        path.write_bytes(content)
        found = CachedFeatures(tmp_path).features(one, images, 4)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_answers_of_a_function_are_not_those_of_another_one(tmp_path):
    images = samples()

    def features(factor):
        queried = QueriedSource(
            lambda inputs: factor * inputs.reshape(len(inputs), -1)[:, :2],
            (4, 4, 3),
            2,
            from_logits=True,
        )
        one = ReprogrammedModel(
            queried,
            InputReprogrammer((4, 4, 1), pattern=None),
            LabelMapper(2),
        )
        with CachedFeatures(tmp_path) as cache:
            return np.array(cache.features(one, images, 4))

    np.testing.assert_allclose(features(2.0), 2 * features(1.0), rtol=1e-5)
    assert files(tmp_path) == []


def test_a_temporary_directory_is_removed_without_a_warning(recwarn):
    with CachedFeatures() as cache:
        cache.features(model(), samples(), 3)
    assert not cache.directory.exists()
    del cache
    assert not [each for each in recwarn if each.category is ResourceWarning]


def test_features_of_half_precision_are_kept():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 3))
    outputs = keras.layers.Dense(5, dtype="bfloat16")(
        keras.layers.Flatten()(inputs)
    )
    half = ReprogrammedModel(
        keras.Model(inputs, outputs),
        InputReprogrammer((4, 4, 1), pattern=None),
        LabelMapper(2),
    )
    with CachedFeatures() as cache:
        found = cache.features(half, samples(), 3)
    assert found.dtype == "float32" and found.any()


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (np.zeros((2, 3, 4)), "one vector"),
        (np.array([[np.inf]], "float16"), "finite"),
    ],
)
def test_outputs_that_are_no_features_are_value_errors(outputs, message):
    with pytest.raises(ValueError, match=message):
        check_features(outputs)


def test_features_of_another_precision_are_not_mixed_up(tmp_path):
    for dtype in ("float32", "mixed_bfloat16"):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((4, 4, 3))
        outputs = keras.layers.Flatten()(inputs)
        outputs = keras.layers.Dense(5, dtype=dtype)(outputs)
        one = ReprogrammedModel(
            keras.Model(inputs, outputs),
            InputReprogrammer((4, 4, 1), pattern=None),
            LabelMapper(2),
        )
        with CachedFeatures(tmp_path) as cache:
            cache.features(one, samples(), 3)
    assert len(files(tmp_path)) == 2
