import numpy as np
import pytest
from keras import ops

from keras_reprogram.outputs import ForecastHead
from keras_reprogram.outputs.targets import LabelFormat


def data():
    generator = np.random.default_rng(0)
    outputs = generator.normal(size=(2, 3, 5, 4)).astype("float32")
    return outputs, generator.normal(9, 4, (2, 20, 3)).astype("float32")


def test_the_start_is_the_mean_of_the_past():
    outputs, past = data()
    forecast = ops.convert_to_numpy(ForecastHead(6)(outputs, past))
    expected = np.repeat(past.mean(axis=1, keepdims=True), 6, axis=1)
    np.testing.assert_allclose(forecast, expected, rtol=1e-5)


def test_a_forecast_is_in_the_scale_of_the_series():
    outputs, past = data()
    head = ForecastHead(6)
    head(outputs, past)
    kernel = np.random.default_rng(1).normal(size=(20, 6))
    head.kernel.assign(kernel)
    head.bias.assign(np.arange(6.0))
    expected = outputs.reshape(2, 3, 20) @ kernel / np.sqrt(20) + np.arange(6)
    expected = expected.transpose(0, 2, 1) * past.std(axis=1)[:, None]
    np.testing.assert_allclose(
        ops.convert_to_numpy(head(outputs, past)),
        expected + past.mean(axis=1)[:, None],
        rtol=1e-4,
    )


@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 4, 5, 4), (2, 20, 3)),
        ((2, 3), (2, 20, 3)),
        ((2, 3, None, 4), (2, 20, 3)),
        ((2, 3, 5, 4), (2, 20)),
    ],
)
def test_outputs_without_channels_are_a_value_error(shapes):
    with pytest.raises(ValueError, match="Received: "):
        ForecastHead(6).build(*shapes)


@pytest.mark.parametrize(
    "targets, message",
    [
        (np.zeros((2, 5, 3)), "numbers of shape"),
        (np.zeros((2, 6)), "numbers of shape"),
        (np.full((2, 6, 3), np.nan), "finite"),
        (np.zeros((2, 6, 3), str), "numbers"),
    ],
)
def test_bad_targets_are_a_value_error(targets, message):
    outputs, past = data()
    head = ForecastHead(6)
    head(outputs, past)
    with pytest.raises(ValueError, match=message):
        head.targets.check(targets, LabelFormat())
