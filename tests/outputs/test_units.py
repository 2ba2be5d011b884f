"""Targets of any unit train alike, and are answered in their unit."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import ReprogrammedModel
from keras_reprogram.outputs import ForecastHead
from keras_reprogram.outputs import RegressionHead

UNITS = (1.0, 1e-5, 1e8)
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(32, 6)).astype("float32")
TARGETS = np.stack([X[:, 0] + 3, X[:, 1] * 0.1], axis=1)


def regression(targets):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    x = keras.layers.Dense(8, activation="tanh")(inputs)
    model = ReprogrammedModel(
        keras.Model(inputs, keras.layers.Dense(5)(x)),
        InputReprogrammer((6,), value_range=None),
        RegressionHead(2, initial="zeros"),
    )
    model.compile(keras.optimizers.Adam(0.02), "mse", metrics=["mae"])
    history = model.fit(X, targets, epochs=4, batch_size=16, verbose=0)
    return model, history.history


def test_losses_and_steps_do_not_depend_on_the_unit():
    model, history = regression(TARGETS)
    expected = model.predict(X, verbose=0)
    for unit in UNITS[1:]:
        other, others = regression(TARGETS * unit)
        np.testing.assert_allclose(others["loss"], history["loss"], rtol=1e-3)
        mae = np.array(history["mae"]) * unit
        np.testing.assert_allclose(others["mae"], mae, rtol=1e-2)
        found = other.predict(X, verbose=0) / unit
        np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-3)
    assert history["loss"][-1] < history["loss"][0]


def test_two_targets_of_different_units_weigh_alike():
    _, history = regression(TARGETS)
    _, others = regression(TARGETS * np.array([1e6, 1e-6]))
    np.testing.assert_allclose(others["loss"], history["loss"], rtol=1e-3)


@pytest.mark.parametrize(
    "loss", ["mean_squared_logarithmic_error", "cosine_similarity"]
)
def test_a_loss_that_has_a_unit_is_computed_in_it(loss):
    model, _ = regression(TARGETS * 100)
    model.compile("sgd", loss)
    predictions = model.predict(X, verbose=0)
    expected = keras.losses.get(loss)(
        ops.convert_to_tensor((TARGETS * 100).astype("float32")),
        ops.convert_to_tensor(predictions),
    )
    found = model.evaluate(X, TARGETS * 100, verbose=0)
    found = np.ravel(found)[0]
    expected = ops.convert_to_numpy(ops.mean(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-3)


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


def test_a_head_of_float16_answers_beyond_its_range():
    head = RegressionHead(1, dtype="float16")
    head.build((None, 3))
    features = GENERATOR.normal(size=(20, 3))
    head.adapt([(features, 1e6 + 1e5 * features[:, :1])])
    found = ops.convert_to_numpy(head(features.astype("float16")))
    np.testing.assert_allclose(found, 1e6 + 1e5 * features[:, :1], rtol=1e-2)
