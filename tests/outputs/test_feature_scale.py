import numpy as np
import pytest

from keras_reprogram.outputs import feature_scale

pytestmark = pytest.mark.numpy_alone


@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_scaled_features_have_a_mean_of_0_and_a_mean_variance_of_1(unit):
    rows = np.random.default_rng(0).normal(3, [1, 5, 0], (20, 3)) * unit
    found, mean, scale = feature_scale.scaled(rows)
    np.testing.assert_allclose(mean, rows.mean(axis=0))
    np.testing.assert_allclose(scale, np.sqrt(rows.var(axis=0).mean()))
    np.testing.assert_allclose(found * scale + mean, rows)
    np.testing.assert_allclose(found.var(axis=0).mean(), 1)


def test_a_constant_is_exactly_zero_and_has_no_scale():
    found, mean = feature_scale.centered(np.full((7, 2), 0.1))
    assert not found.any() and (mean == 0.1).all()
    assert feature_scale.mean_variance(mean, np.zeros(2)) == 1
    assert feature_scale.mean_variance(np.zeros(0), np.zeros(0)) == 1


def test_rounding_around_a_large_mean_is_no_variance():
    mean, variance = np.array([1e8, 1e8, 0.0]), np.array([1e-14, 1.0, 1e-30])
    assert feature_scale.vary(mean, variance).tolist() == [False, True, True]


@pytest.mark.parametrize("penalty", [0, -1, np.nan, np.inf, "cross", None])
def test_a_penalty_is_a_finite_number_greater_than_zero(penalty):
    with pytest.raises(ValueError, match="Received: regularization="):
        feature_scale.check_penalty(penalty)
