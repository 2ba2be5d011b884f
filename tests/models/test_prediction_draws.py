import keras
import numpy as np
import pytest

from keras_reprogram import methods
from keras_reprogram.models import predict_draws


def model_of(dropout):
    series = keras.Input((8,))
    source = keras.Model(series, series[:, -3:])
    return methods.adapts(source, (8, 2), dropout=dropout)


PAST = np.random.default_rng(0).normal(size=(3, 8, 2)).astype("float32")


def test_draws_differ_and_do_not_change_predictions():
    model = model_of(0.3)
    prediction = model.predict_on_batch(PAST)
    draws = predict_draws(model, PAST, num_draws=4, batch_size=2)
    assert draws.shape == (4, 3, 3, 2)
    assert (draws[0] != draws[1]).any() and (draws[2] != draws[3]).any()
    np.testing.assert_array_equal(model.predict_on_batch(PAST), prediction)


def test_a_model_without_anything_random_is_refused():
    with pytest.raises(ValueError, match="set `dropout`"):
        predict_draws(model_of(0.0), PAST, num_draws=2)


def test_what_cannot_be_drawn_is_a_value_error():
    model = model_of(0.1)
    for number in (0, -1, 1.5):
        for name in ("num_draws", "batch_size"):
            with pytest.raises(ValueError, match=f"`{name}`.*Received"):
                predict_draws(model, PAST, **{name: number})
    with pytest.raises(ValueError, match="`ReprogrammedModel`.*Functional"):
        predict_draws(model.source, PAST)
    with pytest.raises(ValueError, match="as an array"):
        predict_draws(model, [(PAST, PAST[:, :3])])


def test_interrupted_draws_leave_a_model(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    model = model_of(0.3)
    monkeypatch.setattr(
        keras.callbacks.CallbackList, "on_predict_batch_end", interrupt
    )
    with pytest.raises(KeyboardInterrupt):
        predict_draws(model, PAST)
    assert np.isfinite(model.predict_on_batch(PAST)).all()
