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


def test_one_sample_is_normalized_by_moving_statistics_and_leaves_them():
    layer = ConditionalNormalization(3)
    layer(VECTORS, CLASSES, training=True)
    before = [ops.convert_to_numpy(each.value) for each in layer.variables]
    found = layer(VECTORS[:1], CLASSES[:1], training=True)
    expected = ops.convert_to_numpy(layer(VECTORS[:1], CLASSES[:1]))
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected)
    for old, variable in zip(before, layer.variables):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(variable.value))
    # One step of a moving average of momentum 0.9.
    np.testing.assert_allclose(before[2], 0.1 * VECTORS.mean(0), rtol=1e-5)
    np.testing.assert_allclose(before[3], 0.9 + 0.1 * VECTORS.var(0), rtol=1e-5)


def test_the_square_of_a_large_float16_does_not_overflow():
    layer = ConditionalNormalization(3, dtype="mixed_float16")
    found = layer(1000.0 * VECTORS, CLASSES, training=True)
    found = ops.convert_to_numpy(found)
    assert found.dtype == "float16"
    np.testing.assert_allclose(found.std(0), 1.0, atol=0.01)
