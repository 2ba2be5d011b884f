import numpy as np
import pytest

from keras_reprogram.diagnostics.gram import spectrum

pytestmark = pytest.mark.numpy_alone


@pytest.mark.parametrize("shape", [(5, 12), (12, 5), (6, 6), (4, 1)])
def test_the_spectrum_is_that_of_the_singular_value_decomposition(shape):
    features = np.random.default_rng(0).normal(size=shape)
    values, axes = spectrum(features)
    left, singular, _ = np.linalg.svd(features, full_matrices=False)
    np.testing.assert_allclose(values, singular**2, rtol=1e-9)
    np.testing.assert_allclose(
        np.abs(axes.T @ left), np.eye(min(shape)), 1e-7, 1e-7
    )


@pytest.mark.parametrize("shape", [(5, 12), (12, 5)])
def test_directions_without_variance_are_left_out(shape):
    generator = np.random.default_rng(0)
    features = generator.normal(size=(shape[0], 2)) @ generator.normal(
        size=(2, shape[1])
    )
    values, axes = spectrum(features)
    assert values.shape == (2,)
    assert axes.shape == (shape[0], 2)
    assert spectrum(np.zeros(shape)).values.shape == (0,)
