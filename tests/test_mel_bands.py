import numpy as np
import pytest
from keras import ops

from keras_reprogram import mel_bands
from keras_reprogram.mel_bands import mel_filters
from keras_reprogram.mel_bands import to_hertz
from keras_reprogram.mel_bands import to_mel


@pytest.mark.parametrize("fft_length, stride", [(400, 160), (63, 20)])
def test_energies_in_a_file_are_those_of_the_transform(
    monkeypatch, fft_length, stride
):
    waves = np.random.default_rng(0).normal(size=(2, 1000)).astype("float32")
    filters = np.eye(fft_length // 2 + 1, dtype="float32")
    wanted = mel_bands.band_energies(waves, filters, fft_length, stride)
    monkeypatch.setattr(mel_bands, "is_exporting", lambda: True)
    monkeypatch.setattr(ops, "stft", None)  # which ONNX does not have
    found = mel_bands.band_energies(waves, filters, fft_length, stride)
    wanted, found = map(ops.convert_to_numpy, (wanted, found))
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.numpy_alone
def test_slaneys_scale_is_linear_up_to_1_khz_and_logarithmic_above():
    np.testing.assert_allclose(to_mel(np.array([0, 500, 1000])), [0, 7.5, 15])
    np.testing.assert_allclose(to_mel(np.array([6400.0])), [42])
    hertz = np.linspace(0, 8000, 50)
    np.testing.assert_allclose(to_hertz(to_mel(hertz)), hertz, atol=1e-9)


@pytest.mark.numpy_alone
def test_filters_are_triangles_of_area_1():
    filters = mel_filters(16000, 16000, 80, 0.0, 8000.0)
    np.testing.assert_allclose(filters.sum(axis=0), 1, rtol=1e-3)
    assert (np.diff(filters.argmax(axis=0)) > 0).all()
