import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.generators import ProjectionDiscriminator


def features():
    samples = keras.Input((3,))
    return keras.Model(samples, keras.layers.Dense(4)(samples))


def test_a_score_is_that_of_the_features_and_their_match_with_the_class():
    network = features()
    discriminator = ProjectionDiscriminator(network, 2)
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(2, 4))
    discriminator.class_vectors.assign(vectors)
    samples = generator.normal(size=(5, 3)).astype("float32")
    classes = np.array([0, 1, 1, 0, 1])
    found = discriminator([samples, classes])
    phi = network.predict(samples, verbose=0)
    kernel, bias = discriminator.score.get_weights()
    expected = phi @ kernel[:, 0] + bias + (vectors[classes] * phi).sum(-1)
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, 1e-4)


def test_a_saved_discriminator_scores_the_same(tmp_path):
    discriminator = ProjectionDiscriminator(features(), 2)
    discriminator.save(tmp_path / "discriminator.keras")
    copy = keras.saving.load_model(tmp_path / "discriminator.keras")
    inputs = [np.ones((2, 3)), np.array([0, 1])]
    np.testing.assert_array_equal(
        ops.convert_to_numpy(copy(inputs)),
        ops.convert_to_numpy(discriminator(inputs)),
    )


def test_features_that_are_no_vectors_are_a_value_error():
    images = keras.Input((4, 4, 3))
    model = keras.Model(images, keras.layers.Conv2D(2, 2)(images))
    vectors = keras.layers.Flatten()(images)
    two = keras.Model(images, [vectors, vectors])
    for network in (model, two, "network", keras.Sequential()):
        with pytest.raises(ValueError, match="`features` must"):
            ProjectionDiscriminator(network, 2)
