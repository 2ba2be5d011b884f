import numpy as np
from keras import ops

from keras_reprogram.pretrained import fracast_layers


def test_the_range_leaves_out_what_is_missing():
    layer = fracast_layers.SeriesRange(5)
    series = np.array([[2.0, np.nan, 6.0, 3.0], [1.0, 1.0, 1.0, 1.0]])
    scaled, known, low, span = map(ops.convert_to_numpy, layer(series))
    np.testing.assert_allclose(scaled, [[0, 0, 0, 1, 0.25], [0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(known, [[0, 1, 0, 1, 1], [0, 1, 1, 1, 1]])
    np.testing.assert_allclose(low, [[2], [1]])
    np.testing.assert_allclose(span, [[4], [1e-5]], rtol=1e-5)


def test_the_forecast_of_a_series_without_any_value_is_nan():
    layer = fracast_layers.SeriesRange(8)
    series = np.array([[np.nan] * 8, [1.0, np.nan, 3.0, 2.0] * 2], "float32")
    scaled, known, low, span = layer(series)
    np.testing.assert_array_equal(ops.convert_to_numpy(scaled)[0], 0)
    decoder = fracast_layers.ForecastDecoder(3, None)
    states = ops.zeros((2, 8, fracast_layers.WIDTH))
    forecasts = ops.convert_to_numpy(decoder(states, scaled, known, low, span))
    assert np.isnan(forecasts[0]).all() and np.isfinite(forecasts[1]).all()


def test_a_seasonal_fill_is_the_mean_of_the_past_in_its_phase():
    past = np.tile([0.0, 1.0, 2.0, 4.0], 8)[None].astype("float32")
    known = np.ones_like(past)
    known[0, 3] = 0.0
    steps = ops.arange(32, 38, dtype="float32")
    fill = fracast_layers.seasonal_fill(
        ops.convert_to_tensor(past), ops.convert_to_tensor(known), steps
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(fill), [[0, 1, 2, 4, 0, 1]], atol=1e-6
    )
