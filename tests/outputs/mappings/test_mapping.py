import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from label_maps import GOLDEN_COUNTS
from label_maps import bayesian
from label_maps import counts_of
from label_maps import frequency
from label_maps import identity
from label_maps import random
from label_maps import sums_of

from keras_reprogram.outputs import BayesianPlusMapping
from keras_reprogram.outputs import FrequencyMapping

statistics = arrays.arrays(
    "int64",
    st.tuples(st.integers(6, 12), st.integers(1, 3)),
    elements=st.integers(0, 5),
)


def test_counts_match_golden(golden_logits, golden_labels):
    predictions = golden_logits.argmax(axis=1)
    assert predictions.tolist() == [1, 0, 5, 4, 3, 5, 2, 5, 5, 0, 3, 1]
    counts = counts_of(golden_logits, golden_labels, 3)
    assert counts.tolist() == GOLDEN_COUNTS


@pytest.mark.parametrize("k", [None, 2])
def test_absent_class_keeps_its_column(golden_logits, k):
    labels = np.array([0, 2] * 6)
    counts = counts_of(golden_logits, labels, 3)
    assert counts.shape == (6, 3) and not counts[:, 1].any()
    sums = sums_of(golden_logits, labels, 3, k=k)
    for found in (counts, sums):
        for matrix in (
            bayesian(found),
            frequency(found),
        ):
            assert matrix.shape == (6, 3)
            np.testing.assert_allclose(matrix.sum(axis=0), 1.0)


@pytest.mark.numpy_alone
@given(statistics, st.floats(0, 10))
@settings(max_examples=100, deadline=None)
def test_every_map_has_columns_that_sum_to_one(counts, smoothing):
    sources, targets = counts.shape
    for matrix in (
        frequency(counts),
        bayesian(counts, smoothing),
        random(sources, targets, 2, seed=1),
        identity(sources, targets, 2),
    ):
        assert (matrix >= 0).all()
        np.testing.assert_allclose(matrix.sum(axis=0), 1.0)


@pytest.mark.numpy_alone
@given(
    arrays.arrays("float64", (7, 5), elements=st.floats(-50, 50)),
    arrays.arrays("int64", 7, elements=st.integers(0, 3)),
)
@settings(max_examples=50, deadline=None)
def test_statistics_count_every_sample_and_add_up(logits, labels):
    counts = counts_of(logits, labels, 4)
    assert counts.sum() == 7
    assert (counts.sum(axis=0) == np.bincount(labels, minlength=4)).all()
    halves = [
        counts_of(logits[part], labels[part], 4)
        for part in (slice(3), slice(3, None))
    ]
    np.testing.assert_array_equal(sum(halves), counts)
    everything = sums_of(logits, labels, 4, k=5)
    np.testing.assert_allclose(everything.sum(), 7)


def test_ones_are_counted(golden_logits, binary_labels):
    counts = FrequencyMapping().statistics(golden_logits, binary_labels, 3)
    expected = np.zeros((6, 3))
    for source, row in zip(golden_logits.argmax(axis=1), binary_labels):
        expected[source] += row == 1
    np.testing.assert_array_equal(counts, expected)


def test_one_hot_labels_count_as_integers(golden_logits, golden_labels):
    one_hot = np.eye(3)[golden_labels]
    for statistics in (
        FrequencyMapping().statistics,
        BayesianPlusMapping(top_k=2).statistics,
    ):
        np.testing.assert_allclose(
            statistics(golden_logits, one_hot, 3),
            statistics(golden_logits, golden_labels, 3),
        )
