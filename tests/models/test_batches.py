import numpy as np
import pytest
from tiny import Sorted
from tiny import Stream

from keras_reprogram.models import batches


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


def test_a_generator_is_replayed_whole():
    first, whole = batches.replayed(iter(range(5)), 3)
    assert first == [0, 1, 2] and list(whole) == [0, 1, 2, 3, 4]


def test_the_number_of_batches_of_tensorflow_is_an_integer():
    # A tensor does not divide a progress bar's floats.
    data = pytest.importorskip("tensorflow").data.Dataset.range(10)
    assert isinstance(batches.number_of_batches(data.batch(4), 1), int)
    assert batches.number_of_batches(data.batch(4).repeat(), 1) is None


def test_a_first_batch_is_seen_and_still_there():
    def yielded():
        yield from [([1], [2]), ([3], [4])]

    first, data = batches.with_first_batch(yielded())
    assert first[:2] == ([1], [2])
    assert [each[:2] for each in data] == [([1], [2]), ([3], [4])]
    first, _ = batches.with_first_batch(iter(()))
    assert first is None
