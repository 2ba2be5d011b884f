"""A label map is found from batches that represent the data."""

import itertools
import warnings

import keras
import numpy as np
import pytest
from tiny import reprogrammed

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.models import adaptation
from keras_reprogram.models import batches


class Sorted(keras.utils.PyDataset):
    """Thirty batches, sorted by class."""

    def __init__(self):
        super().__init__()
        self.read = []

    def __len__(self):
        return 30

    def __getitem__(self, index):
        self.read.append(index)
        label = np.full(2, index // 10)
        return np.eye(4, dtype="float32")[label], label


class Stream:
    """The same, of a length that is not known, or without an end."""

    def __init__(self, endless=False):
        self.endless = endless

    def __iter__(self):
        data = Sorted()
        indices = itertools.count() if self.endless else range(30)
        return (data[index % 30] for index in indices)


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


def classes(data, **kwargs):
    return [batch[1][0] for batch in batches.iterate(data, **kwargs)]


@pytest.mark.parametrize("make", [Sorted, Stream, lambda: list(Stream())])
def test_some_batches_are_spread_over_all(make):
    assert classes(make(), steps=3) == [0, 1, 2]
    assert classes(make(), steps=6) == [0, 0, 1, 1, 2, 2]
    assert len(classes(make())) == 30


def test_batches_of_a_data_set_that_are_not_wanted_are_not_read():
    data = Sorted()
    classes(data, steps=4)
    assert data.read == [0, 10, 19, 29]


def test_an_endless_stream_is_read_to_a_bound():
    assert classes(Stream(endless=True), steps=3, longest=30) == [0, 1, 2]
    assert len(classes(Stream(endless=True), steps=3)) == 3
    assert len(classes(Stream(endless=True), longest=5)) == 5


def test_tensorflow_data_of_any_length_are_spread():
    tensorflow = pytest.importorskip("tensorflow")
    labels = np.repeat(np.arange(3), 20)
    data = tensorflow.data.Dataset.from_tensor_slices((labels, labels)).batch(2)
    assert classes(data, steps=3) == [0, 1, 2]
    unknown = data.filter(lambda *batch: True)
    assert classes(unknown, steps=3) == [0, 1, 2]
    assert classes(data.repeat(), steps=3, longest=30) == [0, 1, 2]


def test_a_loader_of_pytorch_is_spread():
    torch = pytest.importorskip("torch")
    labels = torch.repeat_interleave(torch.arange(3), 20)
    data = torch.utils.data.TensorDataset(labels, labels)
    loader = torch.utils.data.DataLoader(data, batch_size=2)
    assert classes(loader, steps=3) == [0, 1, 2]


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


def test_a_generator_is_replayed_whole():
    first, whole = batches.replayed(iter(range(5)), 3)
    assert first == [0, 1, 2] and list(whole) == [0, 1, 2, 3, 4]


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
