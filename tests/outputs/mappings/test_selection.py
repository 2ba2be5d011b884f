import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from label_maps import frequency

statistics = arrays.arrays(
    "int64",
    st.tuples(st.integers(6, 12), st.integers(1, 3)),
    elements=st.integers(0, 5),
)


def greedy(counts: np.ndarray, sources_per_target: int) -> np.ndarray:
    """The definition, word for word: repeat the flat argmax."""
    counts = counts.astype(float).copy()
    matrix = np.zeros(counts.shape)
    for _ in range(sources_per_target * counts.shape[1]):
        row, column = np.unravel_index(counts.argmax(), counts.shape)
        matrix[row, column] = 1 / sources_per_target
        counts[row] = -1
        if (matrix[:, column] > 0).sum() == sources_per_target:
            counts[:, column] = -1
    return matrix


@pytest.mark.numpy_alone
@given(statistics, st.integers(1, 2))
@settings(max_examples=200, deadline=None)
def test_frequency_is_the_greedy_definition(counts, sources_per_target):
    matrix = frequency(counts, sources_per_target)
    np.testing.assert_array_equal(matrix, greedy(counts, sources_per_target))


@pytest.mark.numpy_alone
def test_large_maps_solve_quickly():
    counts = np.random.default_rng(0).integers(0, 9, (21841, 1000))
    matrix = frequency(counts)
    assert (matrix.sum(axis=0) == 1).all()
