import numpy as np
import pytest

from keras_reprogram.mel_bands import mel_filters
from keras_reprogram.mel_bands import to_hertz
from keras_reprogram.mel_bands import to_mel

pytestmark = pytest.mark.numpy_alone


def test_slaneys_scale_is_linear_up_to_1_khz_and_logarithmic_above():
    np.testing.assert_allclose(to_mel(np.array([0, 500, 1000])), [0, 7.5, 15])
    np.testing.assert_allclose(to_mel(np.array([6400.0])), [42])
    hertz = np.linspace(0, 8000, 50)
    np.testing.assert_allclose(to_hertz(to_mel(hertz)), hertz, atol=1e-9)


def test_filters_are_triangles_of_area_1():
    filters = mel_filters(16000, 16000, 80, 0.0, 8000.0)
    np.testing.assert_allclose(filters.sum(axis=0), 1, rtol=1e-3)
    assert (np.diff(filters.argmax(axis=0)) > 0).all()
