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
    with pytest.raises(ValueError, match="num_draws"):
        predict_draws(model_of(0.1), PAST, num_draws=0)
