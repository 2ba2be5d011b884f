import numpy as np
import pytest
from label_maps import counts_of

from keras_reprogram.outputs import FrequencyMapping


@pytest.mark.parametrize(
    "call",
    [
        lambda: counts_of(np.eye(3), np.array([0, 1, 3]), 3),
        lambda: counts_of(np.eye(3), np.array([0, 1, -1]), 3),
        lambda: counts_of(np.eye(3), np.eye(4), 3),
        lambda: counts_of(np.eye(3), np.array([0.5, 1, 2]), 3),
        lambda: counts_of(np.full((3, 3), np.nan), np.arange(3), 3),
    ],
)
def test_bad_samples_are_a_value_error(call):
    with pytest.raises(ValueError, match="Received: "):
        call()


@pytest.mark.parametrize(
    "labels, message",
    [
        ([0, 1, np.nan], "multi_label=True"),
        ([0, 1, np.inf], "integers"),
        ([0, 1, 0.5], "labels such as 0.5"),
        ([0, 1, 3], "from 0 to 2. Received: labels from 0 to 3"),
        (["a", "b", "c"], "return_inverse=True"),
        (np.array(["a", "b", "c"], object), "return_inverse=True"),
    ],
)
def test_labels_that_are_no_classes_say_what_is_expected(labels, message):
    with pytest.raises(ValueError, match=message):
        counts_of(np.eye(3), labels, 3)


count = FrequencyMapping().statistics


@pytest.mark.parametrize(
    "make",
    [
        lambda: count(np.eye(3), np.full((3, 3), 2.0), 3),
        lambda: count(np.eye(3), np.eye(3)[:, :2], 3),
    ],
)
def test_bad_binary_labels_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
