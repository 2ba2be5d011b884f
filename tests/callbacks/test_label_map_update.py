import keras
import numpy as np
import pytest
from keras import ops
from tiny import reprogrammed

from keras_reprogram import LabelMapper
from keras_reprogram.outputs import FrequencyMapping
from keras_reprogram.outputs import IterativeMapping


def matrix_of(model):
    return ops.convert_to_numpy(model.label_mapper.matrix)


def test_iterative_map_counts_every_sample_once_an_epoch(
    source, images, labels
):
    """With a program that does not learn, a step's logits are known."""
    model = reprogrammed(source, "iterative")
    model.compile(
        keras.optimizers.SGD(0.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    seen = []
    statistics = model.label_mapper.statistics

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            mapper = self.model.label_mapper
            seen.append(ops.convert_to_numpy(mapper.statistics.value))

    model.fit(
        images, labels, epochs=2, batch_size=7, verbose=0, callbacks=[Watch()]
    )
    expected = FrequencyMapping().statistics(
        model.predict_source(images), labels, 3
    )
    np.testing.assert_array_equal(seen[3], expected)
    np.testing.assert_array_equal(seen[7], expected)
    np.testing.assert_allclose(
        matrix_of(model), FrequencyMapping().matrix(expected)
    )
    assert not ops.convert_to_numpy(statistics.value).any()


@pytest.mark.parametrize(
    "every, unit, solutions",
    [(1, "epoch", 4), (3, "epoch", 1), (2, "step", 6), (5, "step", 2)],
)
def test_maps_are_solved_when_asked(
    source, images, labels, every, unit, solutions, monkeypatch
):
    model = reprogrammed(source, IterativeMapping(every, unit))
    calls = []
    update = LabelMapper.update
    monkeypatch.setattr(
        LabelMapper, "update", lambda self: (calls.append(1), update(self))
    )
    model.fit(
        images,
        labels,
        epochs=4,
        batch_size=8,
        verbose=0,
        validation_data=(images, labels),
    )
    assert len(calls) == solutions


def test_epochs_between_solutions_are_counted_over_several_fits(
    source, images, labels
):
    model = reprogrammed(source, IterativeMapping(3))
    model.adapt(images, labels, verbose=0)
    seen = []
    for _ in range(6):
        model.fit(images, labels, batch_size=8, verbose=0)
        seen.append(model.label_mapper.statistics.numpy().sum())
    assert seen == [24, 48, 0, 24, 48, 0]


def test_what_an_interrupted_epoch_gathered_is_forgotten(
    source, images, labels
):
    model = reprogrammed(source, "iterative")
    model.fit(images, labels, batch_size=8, verbose=0)

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.total = ops.sum(self.model.label_mapper.statistics.value)

    with pytest.raises(KeyboardInterrupt):
        model.fit(images, labels, verbose=0, callbacks=Interrupt())
    watch = Watch()
    model.fit(images, labels, batch_size=8, verbose=0, callbacks=watch)
    assert int(watch.total) == 24
