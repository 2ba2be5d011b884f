import numpy as np
from keras import ops

from keras_reprogram.inputs.noise.conditional_normalization import (
    ConditionalNormalization,
)

VECTORS = np.random.default_rng(0).normal(3.0, 2.0, (64, 4)).astype("float32")
CLASSES = np.arange(64) % 3


def test_a_batch_is_normalized_with_the_scale_of_each_class():
    layer = ConditionalNormalization(3)
    layer.build((None, 4))
    gamma = np.arange(12.0).reshape(3, 4)
    layer.gamma.assign(gamma)
    layer.beta.assign(-gamma)
    found = layer(VECTORS, CLASSES, training=True)
    normalized = (VECTORS - VECTORS.mean(0)) / np.sqrt(VECTORS.var(0) + 1e-3)
    expected = gamma[CLASSES] * normalized - gamma[CLASSES]
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), expected, rtol=1e-3, atol=1e-3
    )


def test_moving_statistics_normalize_what_is_not_trained():
    layer = ConditionalNormalization(3)
    for _ in range(100):
        layer(VECTORS, CLASSES, training=True)
    found = ops.convert_to_numpy(layer(VECTORS, CLASSES))
    np.testing.assert_allclose(found.mean(0), 0.0, atol=1e-3)
    np.testing.assert_allclose(found.std(0), 1.0, atol=0.01)
