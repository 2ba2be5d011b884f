import numpy as np
import pytest
from label_maps import GOLDEN_COUNTS
from label_maps import frequency


def test_frequency_matches_golden():
    one = frequency(GOLDEN_COUNTS)
    assert one.argmax(axis=0).tolist() == [0, 3, 5]
    two = frequency(GOLDEN_COUNTS, sources_per_target=2)
    groups = [np.flatnonzero(column).tolist() for column in two.T]
    assert groups == [[0, 1], [2, 3], [4, 5]]
    assert set(two.ravel()) == {0.0, 0.5}


def test_frequency_of_nothing_takes_the_first_sources():
    matrix = frequency(np.zeros((5, 2)))
    assert matrix.argmax(axis=0).tolist() == [0, 1]


@pytest.mark.parametrize(
    "call",
    [
        lambda: frequency(np.zeros((2, 3))),
        lambda: frequency(np.full((4, 3), np.inf)),
        lambda: frequency(np.ones((5, 3)), 0),
    ],
)
def test_bad_counts_are_a_value_error(call):
    with pytest.raises(ValueError, match="Received: "):
        call()
