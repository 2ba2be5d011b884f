import importlib.util

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.pretrained import fracast
from keras_reprogram.pretrained import fracast_forecaster
from keras_reprogram.sources import inspect_source

needs_fracast = pytest.mark.skipif(
    importlib.util.find_spec("fracast") is None, reason="fracast is missing"
)


def series(length=64):
    """Two seasons and a trend, noise, and a series with missing values."""
    steps = np.arange(length)
    rng = np.random.default_rng(0)
    seasons = np.sin(2 * np.pi * steps / 12) + 0.3 * np.sin(np.pi * steps / 2)
    noise = rng.normal(size=length)
    missing = np.where(steps % 7 == 3, np.nan, 100 * noise.cumsum())
    rows = [40 + 3 * seasons + steps / 10, noise, missing]
    return np.stack(rows).astype("float32")


# Of the package's own PyTorch model: steps 0, 1 and 5, quantiles .1, .5 and .9.
GOLDEN = [
    [
        [47.5641, 48.1560, 48.8936],
        [47.3131, 48.2057, 49.1355],
        [42.0111, 44.8523, 47.6314],
    ],
    [
        [-1.45003, -0.224961, 1.36993],
        [-1.29714, 0.00286656, 1.42108],
        [-1.24502, 0.104268, 1.48958],
    ],
    [
        [190.675, 390.835, 482.856],
        [126.843, 351.392, 501.247],
        [-38.3766, 344.964, 562.909],
    ],
]


@needs_fracast
def test_forecasts_are_those_of_the_package():
    source = fracast_forecaster(64, 6, context_length=2048, quantile=None)
    forecasts = ops.convert_to_numpy(source(series()))
    assert forecasts.shape == (3, 6, 9)
    np.testing.assert_allclose(
        forecasts[:, [0, 1, 5]][..., [0, 4, 8]], GOLDEN, rtol=5e-5, atol=1e-4
    )


@needs_fracast
@pytest.mark.numpy_alone
def test_the_golden_forecasts_are_those_of_the_package():
    pytest.importorskip("torch")
    inference = pytest.importorskip("fracast.inference")
    original = inference.FracastModel.from_pretrained(weights="fp32")
    forecasts = original.forecast_batch(series(), horizon=6)
    np.testing.assert_allclose(
        forecasts[:, [0, 1, 5]][..., [0, 4, 8]], GOLDEN, rtol=5e-5, atol=1e-4
    )


@needs_fracast
def test_a_short_context_forecasts_the_season():
    source = fracast_forecaster(96, 24)
    assert inspect_source(source).accepted_shape == (96,)
    assert source.count_params() == 85_001
    steps = np.arange(120)
    wave = 20 + 5 * np.sin(2 * np.pi * steps / 12)
    forecast = ops.convert_to_numpy(source(wave[None, :96]))[0]
    error = np.abs(forecast - wave[96:]).mean()
    assert error < 0.3 * np.abs(wave[95] - wave[96:]).mean()


@needs_fracast
@pytest.mark.numpy_alone
def test_the_periods_are_found_in_a_periodogram():
    from keras_reprogram.pretrained.fracast_layers import significant_periods

    known = np.ones((3, 64), "float32")
    values = np.nan_to_num(series())
    values[0] -= values[0].mean()
    periods = significant_periods(*map(ops.convert_to_tensor, (values, known)))
    periods = ops.convert_to_numpy(periods)
    # 64 / 12 is between the fifth and the sixth frequency.
    assert periods[0, 0] == 13 and (periods[1] == 0).all()


@needs_fracast
@pytest.mark.numpy_alone
def test_a_copy_from_its_config_has_the_same_layers():
    source = fracast_forecaster(16, 4)
    copy = keras.Model.from_config(source.get_config())
    copy.set_weights(source.get_weights())
    values = series(16)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(copy(values)), ops.convert_to_numpy(source(values))
    )


@needs_fracast
@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "arguments",
    [
        {"length": 7},
        {"length": 2049},
        {"horizon": 49},
        {"length": 64, "context_length": 32},
        {"quantile": 0.95},
    ],
)
def test_numbers_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match=f"`{list(arguments)[-1]}` must be"):
        fracast_forecaster(**arguments)


@pytest.mark.numpy_alone
def test_other_weights_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"other")
    with pytest.raises(ValueError, match="SHA-256"):
        fracast.read_weights(path)


@pytest.mark.numpy_alone
def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install --no-deps fracast"):
        fracast_forecaster()
