import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import ReprogrammedModel
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


def test_forecast_channels_read_their_own_outputs_and_all_covariates():
    outputs, past = data()
    head = ForecastHead(6, channels=[2, 0])
    assert head(outputs, past).shape == (2, 6, 2)
    generator = np.random.default_rng(1)
    kernel = generator.normal(size=(20, 6))
    covariate_kernel = generator.normal(size=(20, 2 * 6))
    head.kernel.assign(kernel)
    head.covariate_kernel.assign(covariate_kernel)
    features = outputs.reshape(2, 3, 20) / np.sqrt(20)
    expected = features[:, [2, 0]] @ kernel
    expected += (features[:, 1] @ covariate_kernel).reshape(2, 2, 6)
    past_ = past[..., [2, 0]]
    expected = expected.transpose(0, 2, 1) * past_.std(axis=1)[:, None]
    np.testing.assert_allclose(
        ops.convert_to_numpy(head(outputs, past)),
        expected + past_.mean(axis=1)[:, None],
        rtol=1e-4,
    )


def test_several_covariates_are_divided_by_the_root_of_their_number():
    outputs, past = data()
    head = ForecastHead(6, channels=1)
    head(outputs, past)
    kernel = np.random.default_rng(1).normal(size=(40, 6))
    head.covariate_kernel.assign(kernel)
    expected = outputs[:, [0, 2]].reshape(2, 40) @ kernel / np.sqrt(40)
    expected = expected * past[..., 1].std(axis=1)[:, None]
    np.testing.assert_allclose(
        ops.convert_to_numpy(head(outputs, past))[..., 0],
        expected + past[..., 1].mean(axis=1)[:, None],
        rtol=1e-4,
    )


def test_quantiles_start_from_a_normal_distribution_of_the_past():
    outputs, past = data()
    head = ForecastHead(6, quantiles=[0.1, 0.5, 0.9])
    found = ops.convert_to_numpy(head(outputs, past))
    assert found.shape == (2, 6, 3, 3)
    mean, deviation = past.mean(axis=1), past.std(axis=1)
    for index, z in enumerate([-1.2815516, 0.0, 1.2815516]):
        expected = np.repeat((mean + z * deviation)[:, None], 6, axis=1)
        np.testing.assert_allclose(found[..., index], expected, rtol=1e-4)


def test_quantiles_do_not_cross():
    outputs, past = data()
    head = ForecastHead(6, [1], [0.1, 0.5, 0.9])
    head(outputs, past)
    generator = np.random.default_rng(1)
    head.kernel.assign(generator.normal(size=(20, 18)))
    found = ops.convert_to_numpy(head(outputs, past))
    kernel = ops.convert_to_numpy(head.kernel.value).reshape(20, 6, 3)
    bias = ops.convert_to_numpy(head.bias.value).reshape(6, 3)
    values = np.einsum("nf,fhq->nhq", outputs[:, 1].reshape(2, 20), kernel)
    values = np.sort(values / np.sqrt(20) + bias, axis=-1)
    past = past[..., 1]
    expected = values * past.std(axis=1)[:, None, None]
    expected += past.mean(axis=1)[:, None, None]
    np.testing.assert_allclose(found[:, :, 0], expected, rtol=1e-4)


def test_the_loss_compares_quantiles_in_units_of_the_scale():
    outputs, past = data()
    head = ForecastHead(6, quantiles=[0.2, 0.8])
    head(outputs, past)
    head.scale.assign([1.0, 2.0, 4.0])
    y, y_pred = np.ones((2, 6, 3)), np.ones((2, 6, 3, 2))
    for found in head.loss_units(ops.array(y), ops.array(y_pred)):
        found = ops.convert_to_numpy(found)
        np.testing.assert_allclose(found[0, 0, 2], 0.25)
        np.testing.assert_allclose(found[1, 5, 1], 0.5)


def test_missing_values_count_for_neither_the_past_nor_the_scale():
    outputs, past = data()
    past[0, 15:, 1] = past[1, :4, 2] = np.nan
    head = ForecastHead(6)
    found = ops.convert_to_numpy(head(outputs, past))
    expected = np.nanmean(past, axis=1, keepdims=True)
    np.testing.assert_allclose(found, np.repeat(expected, 6, 1), rtol=1e-5)
    future = np.random.default_rng(2).normal(3, [1, 5, 9], (8, 6, 3))
    future[2:, :, 1] = future[5, 2, 2] = np.nan
    head.adapt([(None, future[:4]), (None, future[4:])])
    np.testing.assert_allclose(
        ops.convert_to_numpy(head.scale.value),
        np.nanstd(future, axis=(0, 1)),
        rtol=1e-5,
    )
    future[..., 1] = np.nan
    with pytest.raises(ValueError, match="a channel of NaN"):
        head.adapt([(None, future)])


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "arguments",
    [
        dict(channels=[]),
        dict(channels=[-1]),
        dict(channels=[1, 1]),
        dict(channels=[0.5]),
        dict(channels="6"),
        dict(channels=[True]),
        dict(quantiles=[]),
        dict(quantiles=[0.5, 0.1]),
        dict(quantiles=[0.0]),
        dict(quantiles=0.5 + np.arange(2)),
    ],
)
def test_bad_channels_and_quantiles_are_a_value_error(arguments):
    with pytest.raises(ValueError, match="channels|quantiles"):
        ForecastHead(6, **arguments)


@pytest.mark.numpy_alone
def test_a_channel_that_samples_do_not_have_is_a_value_error():
    with pytest.raises(ValueError, match="from 0 to 2"):
        ForecastHead(6, channels=[3]).build((2, 3, 5, 4), (2, 20, 3))
    with pytest.raises(ValueError, match="from 0 to 2"):
        ForecastHead(6, channels=[3]).expected_variables(None, (2, 3, 5, 4))


GENERATOR = np.random.default_rng(0)


class Channels(keras.layers.Layer):
    """Stands for a source of series that looks at their shape alone."""

    def call(self, inputs):
        largest = ops.max(ops.abs(inputs), axis=1, keepdims=True)
        return ops.transpose(inputs / largest, (0, 2, 1))


def forecast(unit, resting=False):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 2))
    model = ReprogrammedModel(
        keras.Model(inputs, Channels()(inputs)),
        InputReprogrammer((12, 2), value_range=None, pattern=None),
        ForecastHead(3),
    )
    model.compile(keras.optimizers.Adam(0.02), "mse", metrics=["mae"])
    steps = np.arange(40)[:, None] + np.arange(15)
    series = np.stack([np.sin(steps / 2), np.cos(steps / 3) + 2], axis=-1)
    if resting:
        series[::4, :12] = 0.5
    series = (series * unit).astype("float32")
    history = model.fit(
        series[:, :12], series[:, 12:], epochs=3, verbose=0
    ).history
    return history, model.predict(series[:, :12], verbose=0) / unit


def test_forecasts_do_not_depend_on_the_unit():
    history, expected = forecast(1.0)
    for unit in (1e-3, 1e6):
        others, found = forecast(unit)
        np.testing.assert_allclose(others["loss"], history["loss"], rtol=1e-3)
        np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-3)
    assert history["loss"][-1] < history["loss"][0]


def test_a_past_that_rests_is_forecast_in_the_scale_of_its_channel():
    history, expected = forecast(1.0, resting=True)
    others, found = forecast(1e-5, resting=True)
    np.testing.assert_allclose(others["loss"], history["loss"], rtol=1e-3)
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-3)


def test_a_forecast_is_not_trained_in_a_scale_that_nobody_found():
    inputs = keras.Input((12, 2))
    model = ReprogrammedModel(
        keras.Model(inputs, Channels()(inputs)),
        InputReprogrammer((12, 2), value_range=None, pattern=None),
        ForecastHead(3),
    )
    model.compile("sgd", "mse")
    x = GENERATOR.normal(size=(4, 12, 2))
    assert model.predict(x, verbose=0).shape == (4, 3, 2)
    with pytest.raises(ValueError, match="call `adapt`"):
        model.train_on_batch(x, np.zeros((4, 3, 2)))


@pytest.mark.numpy_alone
def test_the_scale_is_weighted():
    outputs, past = data()
    targets = np.random.default_rng(1).normal(size=(2, 6, 3))
    for weights in (np.array([3.0, 1.0]), np.array([[3.0], [1.0]])):
        head = ForecastHead(6)
        head(outputs, past)
        head.adapt([(None, targets, weights)])
        expected = targets[[0, 0, 0, 1]].std(axis=(0, 1))
        np.testing.assert_allclose(
            ops.convert_to_numpy(head.scale), expected, rtol=1e-6
        )
    with pytest.raises(ValueError, match="weight above 0"):
        head.adapt([(None, targets, np.zeros(2))])
