import numpy as np
import pytest

from keras_reprogram.bank.batches import Entry
from keras_reprogram.bank.batches import padded_batch
from keras_reprogram.inputs.images.axes import Axes

pytestmark = pytest.mark.numpy_alone

AXES = Axes(3, "channels_last")
SAMPLES = [np.full((1, 2, 1), 1.0), np.full((2, 1, 2), 2.0)]
ENTRIES = [Entry(5, 2, (1, 2, 1)), Entry(7, 3, (2, 1, 2))]


def batch_of(samples, rows=(1, 0)):
    return padded_batch(samples, ENTRIES, rows, 3, (2, 3, 2), AXES)


def test_samples_stand_in_the_first_corner_with_their_programs():
    batch = batch_of(SAMPLES)
    expected = np.zeros((3, 2, 3, 2))
    expected[0, :, :1] = 2
    expected[1, :1, :2] = 1  # gray, for every channel
    np.testing.assert_array_equal(batch["samples"], expected)
    assert batch["samples"].dtype == "float32"
    assert batch["programs"].tolist() == [7, 5, 7]


def test_a_sample_of_another_shape_is_a_value_error():
    with pytest.raises(ValueError, match=r"Sample 1 .*Received: shape \(2, 2"):
        batch_of([SAMPLES[0], np.ones((2, 2, 2))])
