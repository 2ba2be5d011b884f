import numpy as np
import pytest
from tiny import reprogrammed

from keras_reprogram.callbacks.periodic import Periodic


def test_validation_sees_the_map_of_the_epochs_end(source, images, labels):
    model = reprogrammed(source, "iterative")
    history = model.fit(
        images, labels, verbose=0, validation_data=(images, labels)
    ).history
    loss, accuracy = model.evaluate(images, labels, verbose=0)
    np.testing.assert_allclose(history["val_loss"][-1], loss, rtol=1e-5)
    np.testing.assert_allclose(history["val_accuracy"][-1], accuracy)


@pytest.mark.numpy_alone
def test_what_is_due_is_done_once_before_validation_or_at_the_end():
    class Counted(Periodic):
        acts = 0

        def act(self):
            self.acts += 1

    callback = Counted()
    callback.on_test_begin()
    callback.on_epoch_end(0)
    assert callback.acts == 0
    callback.is_due = True
    callback.on_test_begin()
    callback.on_epoch_end(0)
    assert callback.acts == 1
    callback.is_due = True
    callback.on_epoch_end(1)
    callback.on_test_begin()
    assert callback.acts == 2
