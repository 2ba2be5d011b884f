import itertools
import math

import numpy as np
import pytest
from keras import ops

from keras_reprogram.diagnostics import frechet_distance
from keras_reprogram.diagnostics import sliced_wasserstein
from keras_reprogram.diagnostics import wasserstein
from keras_reprogram.diagnostics.distances import quantile_distances
from keras_reprogram.diagnostics.distances import sliced_constant

numpy_alone = pytest.mark.numpy_alone


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@numpy_alone
def test_numbers_of_one_size_are_compared_in_sorted_order():
    a, b = drawn(50), drawn(50, seed=1) + 2.0
    expected = np.abs(np.sort(a) - np.sort(b)).mean()
    np.testing.assert_allclose(sliced_wasserstein(a, b), expected)
    # One direction is as good as many.
    column = sliced_wasserstein(a[:, None], b[:, None], 1, seed=5)
    np.testing.assert_allclose(column, expected)


@numpy_alone
@pytest.mark.parametrize("sizes", [(7, 12), (12, 7), (6, 4), (1, 5), (5, 10)])
def test_numbers_of_other_sizes_are_compared_by_quantiles(sizes):
    stats = pytest.importorskip("scipy.stats")
    a, b = drawn(sizes[0]), drawn(sizes[1], seed=1)
    expected = stats.wasserstein_distance(a, b)
    np.testing.assert_allclose(sliced_wasserstein(a, b), expected)
    # Repeated as often as it takes to have one size, sorted.
    size = math.lcm(*sizes)
    a, b = (np.sort(v.repeat(size // len(v))) for v in (a, b))
    np.testing.assert_allclose(np.abs(a - b).mean(), expected)


@numpy_alone
def test_a_translated_set_is_as_far_as_the_mean_projection_of_the_step():
    a, step = drawn(40, 6), np.array([3.0, 0.0, 4.0, 0.0, 0.0, 0.0])
    expected = 5.0 * sliced_constant(6)
    found = sliced_wasserstein(a, a + step, num_projections=20_000)
    np.testing.assert_allclose(found, expected, rtol=0.02)
    np.testing.assert_allclose(wasserstein(a, a + step), 5.0)


@numpy_alone
def test_normal_sets_of_other_spread_have_their_closed_form():
    a, b = drawn(20_000, 3), 3.0 * drawn(15_000, 3, seed=1)
    # W1 of N(0, 1) and N(0, 9) is 2 E|Z|.
    expected = 2.0 * math.sqrt(2.0 / math.pi)
    found = sliced_wasserstein(a, b, num_projections=32)
    np.testing.assert_allclose(found, expected, rtol=0.03)


@numpy_alone
@pytest.mark.parametrize("dimensions", [1, 2, 3, 10, 1000])
def test_the_constant_is_the_mean_projection_of_a_unit_vector(dimensions):
    exact = {1: 1.0, 2: 2 / math.pi, 3: 0.5}
    vectors = drawn(4000, dimensions)
    projections = np.abs(vectors[:, 0]) / np.linalg.norm(vectors, axis=1)
    found = sliced_constant(dimensions)
    np.testing.assert_allclose(found, projections.mean(), rtol=0.05)
    np.testing.assert_allclose(found, exact.get(dimensions, found))


@numpy_alone
def test_the_sliced_distance_over_the_constant_is_below_the_exact_one():
    for seed in range(5):
        a, b = drawn(30, 4, seed=seed), 2 * drawn(30, 4, seed=seed + 9) + 1
        sliced = sliced_wasserstein(a, b, num_projections=4000)
        exact = wasserstein(a, b)
        assert 0 < sliced / sliced_constant(4) < exact < 4 * sliced


@numpy_alone
def test_the_exact_distance_is_the_best_of_all_permutations():
    a, b = drawn(5, 2), drawn(5, 2, seed=1)
    costs = np.linalg.norm(a[:, None] - b, axis=2)
    best = min(
        costs[np.arange(5), list(order)].mean()
        for order in itertools.permutations(range(5))
    )
    np.testing.assert_allclose(wasserstein(a, b), best)
    assert wasserstein(a, a[::-1]) == 0.0


@numpy_alone
def test_a_distance_is_symmetric_and_grows_with_the_scale():
    a, b = drawn(20, 4), drawn(30, 4, seed=1)
    found = sliced_wasserstein(a, b)
    np.testing.assert_allclose(sliced_wasserstein(b, a), found)
    np.testing.assert_allclose(sliced_wasserstein(3 * a, 3 * b), 3 * found)
    assert sliced_wasserstein(a, a.repeat(3, axis=0)) < 1e-12


@numpy_alone
def test_a_seed_repeats_the_directions_and_another_changes_them():
    a, b = drawn(20, 4), drawn(20, 4, seed=1)
    found = [sliced_wasserstein(a, b, 8, seed=s) for s in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


@numpy_alone
def test_many_unequal_numbers_are_compared_in_columns():
    a, b = drawn(17, 3), drawn(23, 3, seed=1)
    expected = [sliced_wasserstein(a[:, i], b[:, i]) for i in range(3)]
    np.testing.assert_allclose(quantile_distances(a, b), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int32"])
def test_tensors_of_any_dtype_are_compared_in_float64(dtype):
    a = ops.cast(ops.reshape(ops.arange(12), (4, 3)), dtype)
    moved = np.arange(12).reshape(4, 3) + [[0, 3, 0]]
    expected = sliced_wasserstein(np.arange(12).reshape(4, 3), moved)
    np.testing.assert_allclose(sliced_wasserstein(a, moved), expected)


@numpy_alone
@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((0, 3)),
        np.zeros((4, 0)),
        np.zeros((2, 2, 3)),
        np.full((4, 3), np.nan),
        np.full((4, 3), np.inf),
        np.full((4, 3), "a"),
        np.zeros((4, 3), "complex64"),
        [[1.0], [1.0, 2.0]],
        None,
        3.0,
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_set_of_vectors_is_refused(wrong):
    for distance in (sliced_wasserstein, wasserstein):
        with pytest.raises(ValueError, match="`b` must be .* Received"):
            distance(np.zeros((4, 3)), wrong)


@numpy_alone
def test_other_lengths_sizes_and_settings_are_refused():
    a = drawn(4, 3)
    with pytest.raises(ValueError, match="same length.* 3 and of 2"):
        sliced_wasserstein(a, a[:, :2])
    with pytest.raises(ValueError, match="same size.* 4 and 3"):
        wasserstein(a, a[:3])
    with pytest.raises(ValueError, match="num_projections"):
        sliced_wasserstein(a, a, num_projections=0)
    with pytest.raises(ValueError, match="seed"):
        sliced_wasserstein(a, a, seed=-1)


@numpy_alone
def test_the_frechet_distance_of_shifted_vectors_is_the_square_of_the_shift():
    a = drawn(100, 3)
    np.testing.assert_allclose(frechet_distance(a, a), 0.0, atol=1e-9)
    np.testing.assert_allclose(frechet_distance(a, a + 2.0), 3 * 4.0)


@numpy_alone
def test_the_frechet_distance_of_independent_features_is_a_closed_form():
    # Covariances that commute: the deviations are compared one by one.
    a = drawn(100, 2)
    a = np.linalg.solve(np.linalg.cholesky(np.cov(a.T)), (a - a.mean(0)).T).T
    deviations = np.array([3.0, 0.5])
    found = frechet_distance(a, a * deviations)
    np.testing.assert_allclose(found, np.square(deviations - 1.0).sum())
    # With more features than vectors, a covariance is singular.
    assert 0.0 < frechet_distance(drawn(3, 5), drawn(4, 5, seed=1)) < 30.0


@numpy_alone
def test_a_frechet_distance_of_one_vector_is_a_value_error():
    with pytest.raises(ValueError, match="two vectors or more"):
        frechet_distance(drawn(1, 3), drawn(5, 3))
    with pytest.raises(ValueError, match="same length"):
        frechet_distance(drawn(5, 3), drawn(5, 2))
