import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.constraints import SpectralNorm
from keras_reprogram.constraints import spectral_norm

SHAPES = [(64, 64), (3, 3, 16, 8), (128, 7), (1, 5)]


def kernel(shape, scale=1.0):
    values = np.random.default_rng(0).normal(size=shape)
    return (scale * values).astype("float32")


def largest_singular_value(values):
    return np.linalg.norm(values.reshape(-1, values.shape[-1]), 2)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_norm_is_the_largest_singular_value_or_little_more(shape, scale):
    values = kernel(shape, scale)
    found = float(ops.convert_to_numpy(spectral_norm(values)))
    norm = largest_singular_value(values)
    assert 1.0 - 1e-5 < found / norm < 1.01


def test_the_norm_of_equal_singular_values_is_not_too_small():
    found = ops.convert_to_numpy(spectral_norm(ops.eye(64)))
    assert 1.0 <= float(found) < 1.01


@pytest.mark.parametrize("shape", SHAPES)
def test_a_kernel_of_a_larger_norm_is_scaled_to_the_limit(shape):
    values = kernel(shape)
    found = ops.convert_to_numpy(
        SpectralNorm(0.5)(ops.convert_to_tensor(values))
    )
    assert largest_singular_value(found) == pytest.approx(0.5, rel=0.01)
    np.testing.assert_allclose(
        found / found.flat[0], values / values.flat[0], rtol=1e-3, atol=1e-3
    )


def test_a_kernel_of_a_smaller_norm_is_kept():
    for values in (kernel((4, 4), 1e-3), np.zeros((3, 3), "float32")):
        found = SpectralNorm(1.0)(ops.convert_to_tensor(values))
        np.testing.assert_array_equal(ops.convert_to_numpy(found), values)


def test_training_keeps_the_norm_of_a_layer():
    layer = keras.layers.Dense(4, kernel_constraint=SpectralNorm(0.7))
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.SGD(10.0), "mse")
    model.fit(kernel((8, 4)), kernel((8, 4), 5.0), verbose=0)
    norm = largest_singular_value(ops.convert_to_numpy(layer.kernel))
    assert norm == pytest.approx(0.7, rel=0.01)


@pytest.mark.numpy_alone
def test_a_constraint_is_restored_from_its_config():
    constraint = SpectralNorm(0.25)
    config = keras.saving.serialize_keras_object(constraint)
    assert keras.saving.deserialize_keras_object(config).limit == 0.25
    for limit in (0.0, -1.0, "one", float("nan")):
        with pytest.raises(ValueError, match="`limit`.*Received"):
            SpectralNorm(limit)


def test_a_kernel_of_float64_keeps_its_precision():
    if keras.backend.backend() == "jax":
        pytest.skip("JAX has no float64 unless it is enabled")
    values = kernel((4, 4)).astype("float64") / 7.0
    found = SpectralNorm(100.0)(ops.convert_to_tensor(values, "float64"))
    np.testing.assert_array_equal(ops.convert_to_numpy(found), values)
