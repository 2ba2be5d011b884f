"""A label map is found from batches that represent the data."""

import warnings

import keras
import numpy as np
import pytest
from tiny import Sorted
from tiny import reprogrammed

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.models import adaptation


def model():
    inputs = keras.Input((4,))
    dense = keras.layers.Dense(4, kernel_initializer="identity")
    source = keras.Model(inputs, dense(inputs))
    end = InputReprogrammer((4,), value_range=None, pattern=None)
    reprogrammed = ReprogrammedModel(source, end, LabelMapper(3, "frequency"))
    reprogrammed.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return reprogrammed


def test_fit_sees_every_class_of_sorted_data(monkeypatch):
    monkeypatch.setattr(adaptation, "STEPS_OF_ADAPTATION_IN_FIT", 6)
    reprogrammed = model()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        adaptation.adapt_for_fit(
            reprogrammed, Sorted(), None, 0.0, None, 0, None
        )
    matrix = keras.ops.convert_to_numpy(reprogrammed.label_mapper.matrix)
    np.testing.assert_array_equal(matrix[:3], np.eye(3))


def test_a_class_that_never_came_is_named():
    with pytest.warns(UserWarning, match=r"1 of 3 target classes.*\[2\]"):
        model().adapt(np.eye(4)[:2], np.arange(2), verbose=0)


class Endless(keras.utils.PyDataset):
    num_batches = None

    def __getitem__(self, index):
        return np.zeros((2, 4, 4, 1)), np.arange(2)


def test_data_without_an_end_are_refused_where_all_would_be_read(source):
    model = reprogrammed(source, "frequency")
    with pytest.raises(ValueError, match="pass `steps`"):
        model.adapt(Endless())
    model = reprogrammed(source, pattern=None)
    with pytest.raises(ValueError, match="`steps_per_epoch`"):
        model.fit_label_map(Endless())
    data = np.zeros((2, 4, 4, 1)), np.arange(2)
    with pytest.raises(ValueError, match="`validation_steps`"):
        model.fit_label_map(*data, validation_data=Endless(), verbose=0)


def test_the_batch_size_is_checked_before_the_pass():
    reprogrammed = model()
    x, y = np.ones((4, 4), "float32"), np.arange(4) % 3
    for batch_size in (0, -1, 1.5):
        with pytest.raises(ValueError, match="`batch_size`.*Received"):
            reprogrammed.adapt(x, y, batch_size=batch_size, verbose=0)
