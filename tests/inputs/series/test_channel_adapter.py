import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import ChannelAdapter
from keras_reprogram.outputs import ChannelDecoder


def forecaster(length=12, horizon=4, outputs=None):
    """Repeats the last steps of a series, with the level of its first one."""
    series = keras.Input((length,))
    forecast = series[:, -horizon:] - 0.5 * series[:, :1]
    return keras.Model(series, forecast if outputs is None else outputs(series))


def past(channels=3):
    values = np.random.default_rng(0).normal(size=(2, 12, channels))
    return (values * 10.0 ** np.arange(channels) + 5).astype("float32")


def model_of(source=None, channels=3, **kwargs):
    return ReprogrammedModel(
        source or forecaster(),
        ChannelAdapter((12, channels), **kwargs),
        ChannelDecoder(),
        compile=False,
    )


def test_a_model_starts_as_its_source_channel_by_channel():
    samples = past()
    mean = samples.mean(axis=1, keepdims=True)
    deviation = samples.std(axis=1, keepdims=True)
    series = (samples - mean) / deviation
    expected = mean + deviation * (series[:, -4:] - 0.5 * series[:, :1])
    outputs = ops.convert_to_numpy(model_of()(samples))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4)


def test_components_are_a_linear_map_of_the_channels_at_each_step():
    model = model_of(num_components=2)
    adapter = model.input_reprogrammer
    samples = past()
    series = samples - samples.mean(axis=1, keepdims=True)
    series /= samples.std(axis=1, keepdims=True)
    kernel = ops.convert_to_numpy(adapter.kernel)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(2), atol=1e-5)
    adapter.bias.assign([1.0, -1.0])
    expected = series @ kernel + np.array([1.0, -1.0])
    outputs = ops.convert_to_numpy(adapter(samples))
    assert outputs.shape == (4, 12)
    np.testing.assert_allclose(
        outputs.reshape(2, 2, 12), expected.swapaxes(1, 2), atol=1e-4
    )


@pytest.mark.parametrize("components", [2, 5])
def test_the_decoder_starts_from_the_transpose_of_the_adapter(components):
    model = model_of(num_components=components)
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.label_mapper.kernel),
        ops.convert_to_numpy(model.input_reprogrammer.kernel).T,
        atol=1e-6,
    )


def test_dropout_sets_values_to_zero_in_training_alone():
    adapter = model_of(dropout=0.5).input_reprogrammer
    assert (ops.convert_to_numpy(adapter(past())) != 0).all()
    share = (ops.convert_to_numpy(adapter(past(), training=True)) == 0).mean()
    assert 0.2 < share < 0.8


@pytest.mark.numpy_alone
def test_a_source_that_does_not_forecast_single_series_is_refused():
    with pytest.raises(ValueError, match="single series of shape"):
        model_of(forecaster(length=10))
    series = keras.Input((12, 3))
    many = keras.Model(series, series[:, -4:, 0])
    with pytest.raises(ValueError, match="single series of shape"):
        model_of(many)
    quantiles = forecaster(outputs=lambda series: series[:, -4:, None])
    with pytest.raises(ValueError, match="one quantile"):
        model_of(quantiles)


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target_shape": (12,)}, "target_shape"),
        ({"target_shape": (12, 3), "num_components": 0}, "num_components"),
        ({"target_shape": (12, 3), "dropout": 1.0}, "dropout"),
        ({"target_shape": (12, 3), "seed": -1}, "seed"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ChannelAdapter(**arguments)


@pytest.mark.numpy_alone
def test_a_config_makes_the_same_layer():
    layer = ChannelAdapter((12, 3), 2, dropout=0.1, seed=1)
    copy = ChannelAdapter.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
