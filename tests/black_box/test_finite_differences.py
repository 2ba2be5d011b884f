import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.black_box import SPSA
from keras_reprogram.black_box import OneSided
from keras_reprogram.black_box import PowerDecay
from keras_reprogram.black_box import TwoSided
from keras_reprogram.black_box import directions
from keras_reprogram.black_box import estimators

ESTIMATORS = {
    "one_sided": lambda q: OneSided(q),
    "two_sided": lambda q: TwoSided(q),
    "spsa": lambda q: SPSA(q),
}


def drawn(estimator, dimension, step=0):
    return estimator.sample_directions(
        dimension, step, estimator.session(dimension)
    )


def estimate(estimator, loss, point, step=0):
    """The estimate for a loss of rows `[points, dimension]`."""
    directions_ = drawn(estimator, len(point), step)
    points = ops.convert_to_numpy(estimator.points(directions_, step))
    losses = ops.convert_to_tensor(loss(point + points).astype("float32"))
    gradient = estimator.gradient(directions_, losses, step)
    return ops.convert_to_numpy(gradient)


def quadratic(rows):
    return 0.5 * np.sum(rows**2, axis=1)


def relative_error(estimator, steps=20):
    point = np.random.default_rng(0).normal(size=50).astype("float32")
    point /= np.linalg.norm(point)
    errors = [
        np.linalg.norm(estimate(estimator, quadratic, point, step) - point)
        for step in range(steps)
    ]
    return np.mean(errors)


def test_the_error_of_bars_estimate_is_sqrt_of_dimensions_over_queries():
    # E |g - w|^2 = |w|^2 (d - 1) / q for directions on the sphere; the
    # difference itself adds d^2 beta^2 / 4q.
    for queries in (5, 100):
        expected = np.sqrt(49 / queries)
        error = relative_error(OneSided(queries, smoothing=0.01))
        assert error == pytest.approx(expected, rel=0.35)
    assert relative_error(OneSided(20_000), steps=1) < 0.06


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimates_are_unbiased(name):
    target = np.array([1.0, -2.0, 0.5, 3.0], "float32")

    def linear(rows):
        return rows @ target

    point = np.zeros(4, "float32")
    total = [
        estimate(ESTIMATORS[name](50), linear, point, step)
        for step in range(100)
    ]
    spread = np.std(total, axis=0) / np.sqrt(len(total))
    assert (np.abs(np.mean(total, axis=0) - target) < 5 * spread + 1e-3).all()


def test_as_many_orthogonal_directions_as_values_give_the_gradient_itself():
    point = np.array([0.3, -0.7, 1.1], "float32")
    estimator = TwoSided(3, orthogonal=True)
    np.testing.assert_allclose(
        estimate(estimator, quadratic, point), point, atol=1e-3
    )


def test_two_sided_differences_have_no_error_of_second_order():
    # Of a quadratic they are exact along each direction, one-sided ones are
    # off by half the step.
    point = np.zeros(3, "float32")
    estimator = TwoSided(3, smoothing=0.5, orthogonal=True)
    np.testing.assert_allclose(
        estimate(estimator, quadratic, point), 0.0, atol=1e-6
    )
    one_sided = estimate(OneSided(3, 0.5, orthogonal=True), quadratic, point)
    assert np.linalg.norm(one_sided) > 0.1


def test_spsa_divides_by_each_value_of_its_direction():
    estimator = SPSA(1, smoothing=0.1)
    direction = ops.convert_to_tensor([[0.5, -1.0, 0.8]])
    losses = ops.convert_to_tensor([0.7, 0.5])
    gradient = estimator.gradient(direction, losses, 0)
    np.testing.assert_allclose(
        ops.convert_to_numpy(gradient), [2.0, -1.0, 1.25], rtol=1e-5
    )


def test_spsas_distance_falls_with_the_step():
    estimator = SPSA(smoothing=0.01)
    assert float(estimator.radius(0)) == pytest.approx(0.01)
    assert float(estimator.radius(99)) == pytest.approx(0.01 / 100**0.1)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_directions_are_those_of_their_seed_and_step(name):
    def draws(seed, step):
        estimator = ESTIMATORS[name](3).from_config(
            {**ESTIMATORS[name](3).get_config(), "seed": seed}
        )
        return ops.convert_to_numpy(drawn(estimator, 4, step))

    np.testing.assert_array_equal(draws(1, 2), draws(1, 2))
    assert (draws(1, 2) != draws(1, 3)).all()
    assert (draws(1, 2) != draws(2, 2)).all()


def test_directions_have_the_lengths_and_angles_that_they_promise():
    sphere = ops.convert_to_numpy(directions.unit_sphere(5, 7, 0, 0))
    np.testing.assert_allclose(np.linalg.norm(sphere, axis=1), 1, rtol=1e-5)
    square = ops.convert_to_numpy(directions.orthonormal(5, 7, 0, 0))
    np.testing.assert_allclose(square @ square.T, np.eye(5), atol=1e-5)
    signs = ops.convert_to_numpy(directions.segmented_uniform(20, 50, 0, 0))
    assert (np.abs(signs) >= 0.5).all() and (np.abs(signs) <= 1).all()
    assert abs((signs > 0).mean() - 0.5) < 0.1


def test_more_orthogonal_directions_than_values_are_refused():
    with pytest.raises(ValueError, match="Received: 5 directions, 3 values"):
        drawn(TwoSided(5, orthogonal=True), 3)


def test_the_rate_falls_as_a_power_of_the_step():
    rate = PowerDecay(0.1, exponent=0.5, offset=1)
    assert float(rate(0)) == pytest.approx(0.1)
    assert float(rate(3)) == pytest.approx(0.05)
    copy = PowerDecay.from_config(rate.get_config())
    assert copy.get_config() == rate.get_config()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_survives_its_config(name):
    estimator = ESTIMATORS[name](3)
    config = keras.saving.serialize_keras_object(estimator)
    assert estimators.get(config) == estimator


@pytest.mark.parametrize(
    "make",
    [
        lambda: OneSided(0),
        lambda: OneSided(smoothing=0.0),
        lambda: TwoSided(points_per_batch=0),
        lambda: SPSA(exponent=-1),
        lambda: TwoSided(seed=-1),
        lambda: OneSided(orthogonal=1),
        lambda: estimators.get("spsa"),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match="Received:"):
        make()
