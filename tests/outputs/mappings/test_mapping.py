import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from keras_reprogram.outputs import BayesianMapping
from keras_reprogram.outputs import BayesianPlusMapping
from keras_reprogram.outputs import FixedMapping
from keras_reprogram.outputs import FrequencyMapping
from keras_reprogram.outputs import IdentityMapping
from keras_reprogram.outputs import MapShape
from keras_reprogram.outputs import RandomMapping
from keras_reprogram.outputs import SemanticMapping

GOLDEN_COUNTS = [
    [1, 1, 0],
    [1, 0, 1],
    [1, 0, 0],
    [0, 2, 0],
    [1, 0, 0],
    [0, 1, 3],
]


def counts_of(logits, labels, num_classes):
    return FrequencyMapping().statistics(logits, labels, num_classes)


def sums_of(logits, labels, num_classes, k=None):
    return BayesianPlusMapping(top_k=k).statistics(logits, labels, num_classes)


def frequency(statistics, sources_per_target=1):
    return FrequencyMapping().matrix(statistics, sources_per_target)


def bayesian(statistics, smoothing=1.0):
    return BayesianMapping(smoothing=smoothing).matrix(statistics)


def identity(*shape):
    return IdentityMapping().solve(None, MapShape(*shape))[0]


def random(*shape, seed=0):
    return RandomMapping(seed).solve(None, MapShape(*shape))[0]


def semantic(source, target, sources_per_target=1):
    shape = MapShape(len(source), len(target), sources_per_target)
    return SemanticMapping(source, target).solve(None, shape)[0]


def fixed(groups, num_sources):
    shape = MapShape(num_sources, len(groups))
    return FixedMapping(groups=groups).solve(None, shape)[0]


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


def test_bayesian_matches_golden(golden_logits):
    matrix = bayesian(GOLDEN_COUNTS, smoothing=1.0)
    expected = [
        [0.2, 0.277778, 0],
        [0.2, 0, 0.357143],
        [0.3, 0, 0],
        [0, 0.555556, 0],
        [0.3, 0, 0],
        [0, 0.166667, 0.642857],
    ]
    np.testing.assert_allclose(matrix, expected, atol=1e-6)
    np.testing.assert_allclose(
        golden_logits[0] @ matrix, [-0.246298, 0.52634, -0.889402], atol=1e-6
    )


def test_bayesian_plus_matches_golden(golden_logits, golden_labels):
    sums = sums_of(golden_logits, golden_labels, 3, k=2)
    matrix = bayesian(sums)
    np.testing.assert_allclose(
        matrix[[0, 5]],
        [[0.183864, 0.227964, 0.105729], [0, 0.157499, 0.501011]],
        atol=1e-6,
    )


def test_identity_blocks_match_voice2series():
    matrix = identity(6, 3, 2)
    probabilities = np.array([0.05, 0.1, 0.15, 0.2, 0.25, 0.25])
    np.testing.assert_allclose(probabilities @ matrix, [0.075, 0.175, 0.25])


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


def test_fifteen_percent_of_few_classes_count_as_one(
    golden_logits, golden_labels
):
    default = sums_of(golden_logits, golden_labels, 3)
    one = sums_of(golden_logits, golden_labels, 3, k=1)
    np.testing.assert_array_equal(default, one)


def test_no_more_classes_count_than_the_source_has(
    golden_logits, golden_labels
):
    every = sums_of(golden_logits, golden_labels, 3, k=100)
    np.testing.assert_allclose(every.sum(), len(golden_labels), rtol=1e-6)


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


def test_random_map_is_seeded_and_uses_no_source_twice():
    matrix = random(20, 4, 5, seed=3)
    again = random(20, 4, 5, seed=3)
    np.testing.assert_array_equal(matrix, again)
    assert ((matrix > 0).sum(axis=1) == 1).all()
    assert (random(20, 4, 5, seed=4) != matrix).any()


@pytest.mark.numpy_alone
def test_large_maps_solve_quickly():
    counts = np.random.default_rng(0).integers(0, 9, (21841, 1000))
    matrix = frequency(counts)
    assert (matrix.sum(axis=0) == 1).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: counts_of(np.eye(3), np.array([0, 1, 3]), 3),
        lambda: counts_of(np.eye(3), np.array([0, 1, -1]), 3),
        lambda: counts_of(np.eye(3), np.eye(4), 3),
        lambda: counts_of(np.eye(3), np.array([0.5, 1, 2]), 3),
        lambda: counts_of(np.full((3, 3), np.nan), np.arange(3), 3),
        lambda: frequency(np.zeros((2, 3))),
        lambda: frequency(np.full((4, 3), np.inf)),
        lambda: bayesian(np.full((4, 3), np.nan)),
        lambda: semantic(np.full((3, 3), np.nan), np.eye(3)),
        lambda: semantic(np.eye(3), np.eye(3).astype(str)),
        lambda: semantic(np.eye(3), np.eye(4)),
        lambda: random(5, 3, 2),
        lambda: identity(2, 3),
        lambda: bayesian(np.ones((3, 3)), smoothing=-1),
        lambda: bayesian(-np.ones((3, 3))),
        lambda: fixed([[0], []], 3),
        lambda: fixed([[0], [3]], 3),
        lambda: random(10, 3, 0),
        lambda: frequency(np.ones((5, 3)), 0),
    ],
)
def test_bad_input_is_a_value_error(call):
    with pytest.raises(ValueError, match="Received: "):
        call()


def test_semantic_map_takes_the_most_similar_name_that_is_free():
    source = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 2.0], [-1.0, 0.0]])
    target = np.array([[3.0, 0.1], [2.0, 0.0]])
    matrix = semantic(source, target)
    # Source 0 is the most similar to both, and the first target takes it.
    np.testing.assert_array_equal(matrix, [[1, 0], [0, 1], [0, 0], [0, 0]])
    for unit in (1e-30, 1e-9, 1e30):
        np.testing.assert_array_equal(
            semantic(unit * source, target / unit), matrix
        )
    matrix = semantic(source, target, sources_per_target=2)
    np.testing.assert_array_equal(
        matrix, [[0.5, 0], [0, 0.5], [0.5, 0], [0, 0.5]]
    )


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


def test_embeddings_of_zeros_are_similar_to_nothing():
    matrix = semantic(np.eye(3) * [[0], [1], [1]], np.eye(3))
    assert (matrix.sum(axis=0) == 1).all() and matrix[0, 0] == 1
