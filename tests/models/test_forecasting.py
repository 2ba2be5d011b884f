"""Time-LLM from start to finish, on tiny language models."""

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_reprogram import ReprogrammedModel
from keras_reprogram import methods
from keras_reprogram.callbacks import RestoreBest
from keras_reprogram.inputs import SeriesReprogrammer
from keras_reprogram.inputs import TextPrototypes
from keras_reprogram.inputs import with_known_future
from keras_reprogram.losses import PinballLoss
from keras_reprogram.metrics import IntervalCoverage
from keras_reprogram.outputs import ForecastHead
from keras_reprogram.sources import TextSource

GPT2 = dict(
    vocabulary_size=30,
    num_layers=1,
    num_heads=2,
    hidden_dim=16,
    intermediate_dim=32,
    max_sequence_length=32,
)
LLAMA = dict(
    vocabulary_size=30,
    num_layers=1,
    num_query_heads=2,
    num_key_value_heads=1,
    hidden_dim=16,
    intermediate_dim=32,
)
BACKBONES = {
    "GPT2Backbone": GPT2,
    "OPTBackbone": GPT2,
    "LlamaBackbone": LLAMA,
    "Qwen3Backbone": dict(LLAMA, head_dim=8),
    "GemmaBackbone": dict(LLAMA, head_dim=8),
}


def waves(samples, seed):
    """Waves of amplitude 10, any phase and level, in noise of variance 1."""
    generator = np.random.default_rng(seed)
    phase = generator.uniform(0, 2 * np.pi, (samples, 1, 2))
    level = generator.normal(0, 3, (samples, 1, 2))
    steps = np.arange(60)[None, :, None]
    series = 10 * np.sin(2 * np.pi * steps / 12 + phase) + level
    series = series + generator.normal(size=series.shape)
    return series[:, :48], series[:, 48:]


def forecaster(
    name="GPT2Backbone",
    dtype="float32",
    prototypes=20,
    head=None,
    shape=(48, 2),
    **settings,
):
    backbone = getattr(keras_hub.models, name)(**BACKBONES[name], dtype=dtype)
    model = ReprogrammedModel(
        TextSource(backbone, "sequence"),
        SeriesReprogrammer(
            shape, prototypes=prototypes, prompt_tokens=[29, 3], **settings
        ),
        head or ForecastHead(12),
    )
    if head is None:
        model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


def test_noisy_waves_are_forecast_almost_to_their_noise():
    past, future = waves(256, 0)
    unseen = waves(64, 1)
    model = forecaster()
    model.fit(past, future, batch_size=32, epochs=16, verbose=0)
    error, _ = model.evaluate(*unseen, verbose=0)
    last_value = np.mean((unseen[0][:, -1:] - unseen[1]) ** 2)
    assert error < 2.0 < last_value / 40


@pytest.mark.parametrize(
    "name, dtype",
    [
        ("GPT2Backbone", "float32"),
        ("OPTBackbone", "bfloat16"),
        ("LlamaBackbone", "bfloat16"),
        ("Qwen3Backbone", "float32"),
        ("GemmaBackbone", "bfloat16"),
    ],
)
def test_a_forecast_survives_its_files(name, dtype, tmp_path):
    past, future = waves(16, 0)
    prototypes = TextPrototypes(6, heads=2, candidates=[29, 28, 27, 5])
    model = forecaster(name, dtype, prototypes)
    model.fit(past, future, batch_size=8, verbose=0)
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    forecast = model.predict(past, verbose=0)
    assert forecast.shape == (16, 12, 2) and forecast.dtype == "float32"
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy.predict(past, verbose=0), forecast)
    model.save_program(tmp_path / "model.program")
    copy = ReprogrammedModel.load_program(
        tmp_path / "model.program", model.source
    )
    np.testing.assert_array_equal(copy.predict(past, verbose=0), forecast)


def test_keys_and_values_are_computed_once_for_a_prediction(monkeypatch):
    past, future = waves(32, 0)
    model = forecaster()
    model.predict(past[:8], batch_size=8, verbose=0)  # traces, where traced
    calls = []
    compute = TextPrototypes.keys_and_values

    def counted(self):
        calls.append(1)
        return compute(self)

    monkeypatch.setattr(TextPrototypes, "keys_and_values", counted)
    forecast = model.predict(past, batch_size=8, verbose=0)
    assert len(calls) == 1
    assert not ops.convert_to_numpy(
        model.input_reprogrammer.prototypes.is_folded
    )
    np.testing.assert_allclose(
        forecast, ops.convert_to_numpy(model(past)), atol=1e-4
    )


def test_a_prediction_after_more_training_is_the_new_one():
    past, future = waves(32, 0)
    model = forecaster()
    before = model.predict(past, verbose=0)
    best = RestoreBest((past, future))
    model.fit(
        past,
        future,
        epochs=2,
        validation_data=(past, future),
        callbacks=[best],
        verbose=0,
    )
    after = model.predict(past, verbose=0)
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(
        after, ops.convert_to_numpy(model(past)), atol=1e-4
    )
    model.train_on_batch(past, future)
    np.testing.assert_allclose(
        model.predict(past, verbose=0),
        ops.convert_to_numpy(model(past)),
        atol=1e-4,
    )


def test_one_channel_may_be_left_out():
    past, future = waves(16, 0)
    backbone = keras_hub.models.GPT2Backbone(**GPT2)
    model = ReprogrammedModel(
        TextSource(backbone, "last"),
        SeriesReprogrammer((48, 1), prototypes=5),
        ForecastHead(12),
    )
    model.compile("adam", "mse")
    model.fit(past[..., 0], future[..., 0], verbose=0)
    assert model.predict(past[..., 0], verbose=0).shape == (16, 12, 1)


@pytest.mark.parametrize(
    "arguments, error",
    [
        (dict(loss="mse"), "PinballLoss"),
        (dict(loss=keras.losses.MeanAbsoluteError()), "PinballLoss"),
        (dict(loss=PinballLoss((0.1, 0.9))), "PinballLoss"),
        (dict(metrics=["mae"]), "the median"),
    ],
)
def test_quantiles_are_compiled_with_their_loss(arguments, error):
    model = forecaster(prototypes=5, head=ForecastHead(12, None, (0.1, 0.6)))
    with pytest.raises(ValueError, match=error):
        model.compile("adam", **{"loss": PinballLoss((0.1, 0.6)), **arguments})
    plain = forecaster(prototypes=5)
    with pytest.raises(ValueError, match="without quantiles"):
        plain.compile("adam", PinballLoss((0.1, 0.6)))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m, x, y: m.fit(x[:, 1:], y), "target_shape"),
        (lambda m, x, y: m.fit(x, y[:, 1:]), "numbers of shape"),
        (lambda m, x, y: m.fit(x, y + np.nan), "finite"),
        (lambda m, x, y: m.predict(x + np.inf), "finite"),
    ],
)
def test_bad_series_are_a_value_error(call, message):
    with pytest.raises(ValueError, match=message):
        call(forecaster(), *waves(8, 0))


def test_a_forecast_head_is_trained_on_what_the_source_said_once():
    past, future = waves(32, 0)
    learned = []
    for fit in ("fit", "fit_label_map"):
        keras.utils.set_random_seed(0)
        model = forecaster(prototypes=TextPrototypes(20, dropout=0.0))
        model.input_reprogrammer.trainable = False
        model.compile(keras.optimizers.Adam(0.01), "mse")
        getattr(model, fit)(
            past, future, batch_size=16, epochs=2, shuffle=False, verbose=0
        )
        learned.append(
            [ops.convert_to_numpy(v) for v in model.label_mapper.weights]
        )
    for one, other in zip(*learned):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_quantiles_of_a_channel_with_covariates_survive_their_files(tmp_path):
    """The first channel follows a covariate that is known ahead, mostly."""
    past, future = waves(96, 0)
    calendar = np.concatenate([past, future], axis=1)[..., 1:]
    future = future[..., :1] + 3 * calendar[:, 48:]
    x = with_known_future(past, calendar)
    assert x.shape == (96, 60, 3)
    x[3, 10:15] = x[:4, :9, 0] = np.nan
    future[5, 3] = np.nan
    model = forecaster(
        prototypes=5,
        head=ForecastHead(12, [0], (0.1, 0.5, 0.9)),
        shape=(60, 3),
        missing_values="mask",
    )
    model.compile(
        keras.optimizers.Adam(0.01),
        PinballLoss((0.1, 0.5, 0.9), missing_values="mask"),
        metrics=[IntervalCoverage(), "mae"],
    )
    model.fit(x, future, batch_size=32, epochs=3, verbose=0)
    metrics = model.evaluate(x, future, verbose=0, return_dict=True)
    forecast = model.predict(x, verbose=0)
    assert forecast.shape == (96, 12, 1, 3) and np.isfinite(forecast).all()
    assert (np.diff(forecast) >= 0).all()
    known = ~np.isnan(future)
    within = (forecast[..., 0] <= future) & (future <= forecast[..., 2])
    np.testing.assert_allclose(
        metrics["interval_coverage"], within[known].mean(), atol=1e-4
    )
    np.testing.assert_allclose(
        metrics["mae"],
        np.nanmean(np.abs(forecast[..., 1] - future)),
        rtol=1e-4,
    )
    assert np.abs(model.label_mapper.covariate_kernel.numpy()).max() > 0
    model.save_program(tmp_path / "model.program")
    copy = ReprogrammedModel.load_program(
        tmp_path / "model.program", model.source
    )
    np.testing.assert_array_equal(copy.predict(x, verbose=0), forecast)
    copy.fit(x, np.nan_to_num(future), verbose=0)  # compiled by itself
    assert isinstance(copy.loss, PinballLoss)
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy.predict(x, verbose=0), forecast)


def test_one_channel_of_labels_may_be_left_out_of_quantiles():
    past, future = waves(8, 0)
    model = forecaster(prototypes=5, head=ForecastHead(12, [1], (0.2, 0.8)))
    model.fit(past, future[..., 1], verbose=0)
    assert model.predict(past, verbose=0).shape == (8, 12, 1, 2)
    assert model.evaluate(past, future[..., 1], verbose=0)[1] <= 1.0


def test_gradients_are_finite_with_missing_values():
    past, future = waves(16, 0)
    past[:, :20, 0], past[3, ::3, 1] = np.nan, np.nan
    for missing_values in ("interpolate", "mask"):
        model = forecaster(
            prototypes=5, missing_values=missing_values, stride=4
        )
        before = [np.array(v.numpy()) for v in model.trainable_variables]
        model.fit(past, future, batch_size=16, epochs=2, verbose=0)
        for variable, value in zip(model.trainable_variables, before):
            found = variable.numpy()
            assert np.isfinite(found).all()
            assert (found != value).any()


def test_time_llm_forecasts_quantiles_of_some_channels():
    past, future = waves(8, 0)
    model = methods.time_llm(
        TextSource(keras_hub.models.GPT2Backbone(**GPT2), "sequence"),
        12,
        (48, 2),
        channels=[1],
        quantiles=(0.1, 0.9),
        prototypes=5,
    )
    logs = model.evaluate(past, future[..., 1:], verbose=0, return_dict=True)
    assert set(logs) == {"loss", "interval_coverage"}
    assert model.predict(past, verbose=0).shape == (8, 12, 1, 2)
