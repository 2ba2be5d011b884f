"""Training that is lost or interrupted, and what it leaves."""

import types

import keras
import numpy as np
import pytest
from tiny import reprogrammed

from keras_reprogram.callbacks import RestoreBest
from keras_reprogram.callbacks import interruptions
from keras_reprogram.callbacks.finite_loss import FiniteLoss


class Trained:
    """What a callback needs of a model."""

    def __init__(self):
        self.program = keras.Variable(np.zeros(2, "float32"))
        self.statistic = keras.Variable(np.array([np.inf, 1.0], "float32"))
        self.moment = keras.Variable(np.zeros(2, "float32"))
        self.variables = [self.program, self.statistic]
        self.learned_variables = self.variables
        self.optimizer = types.SimpleNamespace(variables=[self.moment])


def begun():
    model, callback = Trained(), FiniteLoss()
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    return model, callback


def value(variable):
    return keras.ops.convert_to_numpy(variable.value).tolist()


def test_a_loss_that_is_not_finite_goes_back_to_the_epoch_before():
    model, callback = begun()
    model.program.assign([1.0, 2.0])
    model.moment.assign([3.0, 4.0])
    callback.on_epoch_end(0, {"loss": 0.5})
    callback.on_epoch_begin(1)
    model.program.assign([np.nan, np.nan])
    model.moment.assign([np.nan, np.nan])
    with pytest.raises(ValueError, match="loss is not finite.*in epoch 2"):
        callback.on_epoch_end(1, {"loss": np.nan})
    assert value(model.program) == [1, 2]
    assert value(model.moment) == [3, 4]


def test_a_first_epoch_that_is_lost_goes_back_to_the_start():
    model, callback = begun()
    model.program.assign([5.0, 6.0])
    with pytest.raises(ValueError, match="loss is not finite"):
        callback.on_epoch_end(0, {"loss": np.inf})
    assert value(model.program) == [0, 0]


def test_weights_that_are_not_finite_are_seen_behind_a_finite_loss():
    model, callback = begun()
    model.program.assign([1.0, np.inf])
    with pytest.raises(ValueError, match="weights are not finite.*and 1 "):
        callback.on_epoch_end(0, {"loss": 0.5})
    assert value(model.program) == [0, 0]


def test_what_is_infinite_from_the_start_may_be_so():
    model, callback = begun()
    callback.on_epoch_end(0, {"loss": 0.5})
    callback.on_train_interrupted()
    assert value(model.statistic) == [np.inf, 1]


def test_an_interruption_keeps_what_is_finite():
    model, callback = begun()
    model.program.assign([1.0, 2.0])
    callback.on_train_interrupted()
    assert value(model.program) == [1, 2]
    model.program.assign([1.0, np.nan])
    callback.on_train_interrupted()
    assert value(model.program) == [0, 0]


# === In `fit` ===


class AtBatch(keras.callbacks.Callback):
    """Raises, or spoils the program, at a batch of the third epoch."""

    def __init__(self, error=None):
        super().__init__()
        self.error = error
        self.batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        if self.batches == 8:
            program = self.model.input_reprogrammer.trainable_variables[0]
            program.assign(np.full(program.shape, np.nan))
            if self.error is not None:
                raise self.error


def finite(model):
    return all(
        np.isfinite(keras.ops.convert_to_numpy(variable.value)).all()
        for variable in [
            *model.learned_variables,
            *model.optimizer.variables,
        ]
    )


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), OSError("full")])
@pytest.mark.filterwarnings("ignore")
def test_fit_leaves_a_finite_program_that_trains_on(
    source, images, labels, error
):
    model, best = reprogrammed(source), RestoreBest((images, labels))
    settings = dict(
        batch_size=8, validation_data=(images, labels), verbose=0, epochs=4
    )
    with pytest.raises(type(error) if error else ValueError):
        model.fit(images, labels, callbacks=[best, AtBatch(error)], **settings)
    assert finite(model)
    loss, _ = model.evaluate(images, labels, verbose=0)
    np.testing.assert_allclose(loss, best.best, rtol=1e-5)
    assert best.best_epoch <= 2
    history = model.fit(images, labels, **settings).history
    assert np.isfinite(history["loss"]).all()


def test_what_a_callback_leaves_at_the_end_is_seen():
    model, callback = begun()
    model.program.assign([1.0, 2.0])
    callback.on_epoch_end(0, {"loss": 1.0})

    def leave(finite):
        with interruptions.interruptible([callback]):
            model.program.assign([1.0 if finite else np.nan, 3.0])

    leave(finite=True)
    assert value(model.program) == [1.0, 3.0]
    with pytest.raises(ValueError, match="Received: 1 weights"):
        leave(finite=False)
    assert value(model.program) == [1.0, 2.0]
