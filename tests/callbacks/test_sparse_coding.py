import keras
from keras import ops
from texts import model_of
from texts import sentences
from texts import trained

from keras_reprogram.inputs import SparseCombination


def numpy(value):
    return ops.convert_to_numpy(value)


def test_the_sparse_code_is_solved_before_an_epochs_validation():
    class Remainders(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            mapping = self.model.input_reprogrammer.mapping
            seen.append(abs(numpy(mapping.remainder.value)).max())

    seen = []
    model = model_of(SparseCombination(8, nonzeros=4, refit_every=2))
    trained(
        model,
        epochs=3,
        validation_data=sentences(),
        callbacks=[Remainders()],
    )
    assert seen[0] > 0  # one epoch: not yet
    assert seen[1:] == [0, 0]  # two epochs, and the end of training
