import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import ReprogrammedModel
from keras_reprogram.losses import MaskedMeanSquaredError
from keras_reprogram.outputs import RegressionHead
from keras_reprogram.outputs import ridge_regression


def data(samples=60, features=5, outputs=2):
    generator = np.random.default_rng(0)
    inputs = generator.normal(3, 2, (samples, features)).astype("float32")
    noise = generator.normal(size=(samples, outputs))
    return inputs, inputs @ generator.normal(size=(features, outputs)) + noise


def adapted(head, x, y):
    head.build(x.shape)
    head.adapt((x[i : i + 25], y[i : i + 25]) for i in range(0, len(x), 25))
    return ops.convert_to_numpy(head(x))


@pytest.mark.parametrize("unit", [1.0, 1e6, 1e-6])
def test_a_head_starts_as_the_ridge_regression_in_any_unit(unit):
    x, y = data()
    weights, bias = ridge_regression(x, y, 0.1)
    found = adapted(RegressionHead(2, regularization=0.1), x, unit * y)
    np.testing.assert_allclose(found / unit, x @ weights + bias, atol=1e-3)


def test_a_cold_start_predicts_the_mean():
    x, y = data()
    found = adapted(RegressionHead(2, initial="zeros"), x, y)
    np.testing.assert_allclose(found, np.tile(y.mean(0), (60, 1)), rtol=1e-5)


def test_every_position_predicts():
    x, y = data()
    flat = adapted(RegressionHead(2, regularization=0.1), x, y)
    head = RegressionHead(2, regularization=0.1)
    found = adapted(head, x.reshape(12, 5, 5), y.reshape(12, 5, 2))
    np.testing.assert_allclose(found.reshape(60, 2), flat, atol=1e-4)


def test_targets_that_do_not_vary_are_predicted():
    x, _ = data()
    found = adapted(RegressionHead(1), x, np.full((60, 1), 7.0))
    np.testing.assert_allclose(found, np.full((60, 1), 7.0), atol=1e-4)


@pytest.fixture
def table_source():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    hidden = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, hidden)


def test_a_model_fits_numbers_and_survives_its_files(table_source, tmp_path):
    images = np.random.default_rng(0).uniform(0, 255, (64, 8, 8, 3))
    features = table_source.predict(images, verbose=0)
    numbers = 1000 + 5000 * features[:, 0]
    model = ReprogrammedModel(table_source, label_mapper=RegressionHead())
    model.compile(keras.optimizers.Adam(1e-3), "mse", metrics=["mae"])
    history = model.fit(
        images,
        numbers,
        epochs=2,
        validation_data=(images, numbers),
        verbose=0,
    ).history
    error = model.evaluate(images, numbers, verbose=0)[0]
    assert error == pytest.approx(history["val_loss"][-1], rel=1e-3)
    assert error < np.var(numbers) / 10
    predictions = model.predict(images, verbose=0)
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy.predict(images, verbose=0), predictions)
    model.save_program(tmp_path / "model.program")
    copy = ReprogrammedModel.load_program(
        tmp_path / "model.program", table_source
    )
    np.testing.assert_array_equal(copy.predict(images, verbose=0), predictions)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m, x, y: m.fit(x, y[:, None, None]), "numbers of shape"),
        (lambda m, x, y: m.fit(x, np.stack([y, y], 1)), "numbers of shape"),
        (lambda m, x, y: m.fit(x, np.where(y > 0.5, np.nan, y)), "finite"),
        (lambda m, x, y: m.adapt(x, y + np.inf), "finite"),
        (lambda m, x, y: m.fit(x, y.astype(str)), "numbers"),
        (lambda m, x, y: m.predict(x), "call `adapt`"),
        (lambda m, x, y: m.adapt(x[:0], y[:0]), "no batches"),
    ],
)
def test_bad_targets_are_a_value_error(table_source, call, message):
    model = ReprogrammedModel(table_source, label_mapper=RegressionHead())
    model.compile("adam", "mse")
    x, y = np.random.rand(8, 8, 8, 3), np.linspace(0, 1, 8)
    with pytest.raises(ValueError, match=message) as error:
        call(model, x, y)
    assert "Received: " in str(error.value)


def test_a_loss_of_classes_is_a_value_error(table_source):
    model = ReprogrammedModel(table_source, label_mapper=RegressionHead())
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="mse"):
        model.fit(np.zeros((4, 8, 8, 3)), np.zeros(4))


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


@pytest.mark.parametrize("policy", ["float16", "mixed_float16"])
def test_a_head_of_float16_answers_beyond_its_range(policy):
    head = RegressionHead(1, dtype=policy)
    head.build((None, 3))
    features = GENERATOR.normal(size=(20, 3))
    head.adapt([(features, 1e6 + 1e5 * features[:, :1])])
    found = ops.convert_to_numpy(head(features.astype("float16")))
    np.testing.assert_allclose(found, 1e6 + 1e5 * features[:, :1], rtol=1e-2)


def test_missing_targets_are_left_out_of_start_loss_and_metrics():
    targets = TARGETS.copy()
    targets[::3, 0] = targets[1, 1] = np.nan
    model, _ = regression(TARGETS)
    with pytest.raises(ValueError, match="MaskedMeanSquaredError"):
        model.fit(X, targets, verbose=0)
    model.compile("sgd", MaskedMeanSquaredError(), metrics=["mse"])
    model.adapt(X, targets, verbose=0)
    error = model.evaluate(X, targets, verbose=0, return_dict=True)
    predictions = model.predict(X, verbose=0)
    np.testing.assert_allclose(
        error["mse"], np.nanmean((predictions - targets) ** 2), rtol=1e-4
    )
    scale = np.nanstd(targets, axis=0)
    np.testing.assert_allclose(
        error["loss"],
        np.nanmean(((predictions - targets) / scale) ** 2),
        rtol=1e-4,
    )
    history = model.fit(X, targets, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    with pytest.raises(ValueError, match="infinity"):
        model.fit(X, targets + np.inf, verbose=0)
