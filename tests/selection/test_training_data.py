import keras
import numpy as np

from keras_reprogram.selection.cached_features import CachedFeatures
from keras_reprogram.selection.labeled import labeled_samples
from keras_reprogram.selection.parts import parts_of
from keras_reprogram.selection.training_data import Passes

IMAGES = (
    np.random.default_rng(0).uniform(0, 255, (6, 4, 4, 1)).astype("float32")
)


def sources():
    inputs = keras.Input((4, 4, 3))
    hidden = keras.layers.Flatten()(inputs)
    return [
        keras.Model(inputs, keras.layers.Dense(size)(hidden), name=f"of_{size}")
        for size in (3, 5)
    ]


def test_all_parts_compute_the_same_copies_and_no_sample_twice():
    labeled = labeled_samples(np.arange(6) % 2, None, None, None, None, 3, 0)
    parts = parts_of(sources(), (4, 4, 1), ())
    with CachedFeatures() as cache:
        passes = Passes(IMAGES, cache, 4, 0)
        data = passes.training_data(parts, labeled)
        flip = keras.layers.RandomFlip("horizontal", seed=0)
        found = passes.augmented(data, (1,), flip, seed=0)
        copies = np.load(cache.temporary_file("copies.npy"))
        assert found.labeled.copies == 8 and len(found.parts) == 1
        (features,) = found.products.features
        assert len(features) == 48
        np.testing.assert_array_equal(features[:6], data.products.features[1])
        np.testing.assert_allclose(
            features,
            parts[1].new_model(2).predict_source(copies),
            rtol=1e-4,
            atol=1e-4,
        )
