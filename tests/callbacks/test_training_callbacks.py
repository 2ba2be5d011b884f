import types
import warnings

import keras
import numpy as np
import pytest
from tiny import reprogrammed

from keras_reprogram.callbacks import training_callbacks


def test_a_callback_list_is_the_same_after_a_fit(source, images, labels):
    model = reprogrammed(source, "iterative")
    callbacks = keras.callbacks.CallbackList(
        [keras.callbacks.History()], model=model
    )
    before = list(callbacks.callbacks)
    for _ in range(2):
        model.fit(images, labels, callbacks=callbacks, verbose=0)
        assert callbacks.callbacks == before


@pytest.mark.numpy_alone
def test_callbacks_are_put_before_one_a_list_or_none():
    added, other = keras.callbacks.Callback(), keras.callbacks.Callback()
    for others, expected in (
        (None, [added]),
        (other, [added, other]),
        ([other], [added, other]),
    ):
        with training_callbacks.prepend_callbacks([added], others) as found:
            assert found == expected


@pytest.mark.numpy_alone
@pytest.mark.parametrize("steps, warns", [(2, 0), (3, 1)])
def test_a_program_that_has_not_moved_is_warned_of_once(steps, warns):
    variable = keras.Variable(np.zeros(2))
    model = types.SimpleNamespace(
        optimizer=keras.optimizers.SGD(0.1),
        input_reprogrammer=types.SimpleNamespace(
            trainable_variables=[variable]
        ),
    )
    for moved in (0.0, 1.0):
        callback = training_callbacks.UnmovedProgram([variable])
        callback.set_model(model)
        variable.assign_add([moved, 0.0])
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            for epoch in range(2):
                for step in range(steps if epoch == 0 else 0):
                    callback.on_train_batch_end(step)
                callback.on_epoch_end(epoch)
        found = [w for w in seen if "exactly as it was" in str(w.message)]
        assert len(found) == (0 if moved else warns)
