import contextlib

import keras
import numpy as np
import pytest

from keras_reprogram.bank.shared_model import SharedModel
from keras_reprogram.sources import FrozenSource


class Lock:
    """Notes how it is held."""

    def __init__(self):
        self.held = []

    @contextlib.contextmanager
    def shared(self, fixed=False):
        self.held.append("shared" if fixed else "open")
        yield

    @contextlib.contextmanager
    def alone(self):
        self.held.append("alone")
        yield


@pytest.fixture
def model():
    inputs = keras.Input((2,))
    source = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    model = SharedModel(inputs, source(inputs))
    model.frozen_source = FrozenSource(source)
    model.lock = Lock()
    return model


X = np.ones((1, 2), "float32")


@pytest.mark.parametrize(
    "use, held",
    [
        (lambda model, path: model(X), "shared"),
        (lambda model, path: model.predict_on_batch(X), "shared"),
        (lambda model, path: model.get_weights(), "shared"),
        (lambda model, path: model.save_weights(path), "shared"),
        (lambda model, path: model.set_weights(model.get_weights()), "alone"),
    ],
)
def test_a_change_is_alone_and_the_rest_is_shared(model, tmp_path, use, held):
    use(model, tmp_path / "model.weights.h5")
    assert held in model.lock.held
    assert ("alone" in model.lock.held) == (held == "alone")


def test_weights_are_loaded_alone(model, tmp_path):
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    model.lock.held.clear()
    model.load_weights(path)
    assert model.lock.held[0] == "alone"
