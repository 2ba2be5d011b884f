import numpy as np
import pytest

from keras_reprogram.outputs import ridge_regression
from keras_reprogram.outputs.ridge_regression import RidgeOfKnownTargets
from keras_reprogram.outputs.ridge_regression import RidgeStatistics

pytestmark = pytest.mark.numpy_alone


def data(samples=60, features=5, outputs=2):
    generator = np.random.default_rng(0)
    inputs = generator.normal(3, 2, (samples, features))
    noise = generator.normal(size=(samples, outputs))
    return inputs, inputs @ generator.normal(size=(features, outputs)) + noise


@pytest.mark.parametrize("regularization", [1e-3, 0.1, 10.0])
def test_ridge_regression_is_scikit_learns(regularization):
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y = data()
    alpha = len(x) * regularization * x.var(axis=0).mean()
    peer = linear_model.Ridge(alpha=alpha).fit(x, y)
    weights, bias = ridge_regression(x, y, regularization)
    np.testing.assert_allclose(weights, peer.coef_.T, atol=1e-6)
    np.testing.assert_allclose(bias, peer.intercept_, atol=1e-5)


def test_the_penalty_that_is_found_serves_features_without_meaning():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(40, 30)), generator.normal(size=(40, 1))
    x_test, y_test = generator.normal(size=(400, 30)), np.zeros((400, 1))
    found, plain = ridge_regression(x, y), ridge_regression(x, y, 1e-9)
    errors = [
        np.mean((x_test @ w + b - y_test) ** 2) for w, b in (found, plain)
    ]
    assert errors[0] < errors[1] / 3


@pytest.mark.parametrize("samples, features", [(60, 5), (20, 50)])
@pytest.mark.parametrize("regularization", [None, 0.1])
@pytest.mark.parametrize(
    "unit, unit_of_targets",
    [(1e-30, 1e30), (1e30, 1e-30), (1.0, 1e-21), (1e-12, 1e19)],
)
def test_predictions_do_not_depend_on_units(
    samples, features, regularization, unit, unit_of_targets
):
    x, y = data(samples, features)
    weights, bias = ridge_regression(x, y, regularization)
    expected = x @ weights + bias
    weights, bias = ridge_regression(
        unit * x, unit_of_targets * y, regularization
    )
    found = (unit * x @ weights + bias) / unit_of_targets
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def statistics_of(targets, batches=3):
    statistics = RidgeStatistics()
    for part in np.array_split(targets, batches):
        statistics.add(np.zeros((len(part), 2), "float32"), part)
    return statistics


@pytest.mark.parametrize("unit", [1e-21, 1e-11, 1.0, 1e19])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_the_scale_of_targets_is_found_in_any_unit(unit, offset):
    targets = unit * (np.random.default_rng(0).normal(size=(30, 2)) + offset)
    mean, scale = statistics_of(targets).target_scale()
    np.testing.assert_allclose(mean, targets.mean(axis=0), atol=1e-6 * unit)
    np.testing.assert_allclose(scale, targets.std(axis=0), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [0.0, 0.1, 7.7, 1e-4, -6e4])
def test_constant_targets_have_a_scale_of_1(dtype, value):
    targets = np.full((31, 1), value, dtype)
    mean, scale = statistics_of(targets).target_scale()
    assert mean == targets[0] and scale == 1.0


def test_rounding_is_not_taken_for_variance():
    targets = np.where(np.arange(30) % 2, 0.3, 0.1 + 0.2)[:, None]
    _, scale = statistics_of(targets).target_scale()
    assert scale == 1.0


@pytest.mark.parametrize("regularization", [None, 0.1])
@pytest.mark.parametrize("samples", [1, 20])
def test_constant_features_predict_the_mean(regularization, samples):
    features = np.full((samples, 3), 7.7, "float32")
    targets = np.random.default_rng(0).normal(size=(samples, 2))
    weights, bias = ridge_regression(features, targets, regularization)
    np.testing.assert_array_equal(weights, 0.0)
    np.testing.assert_allclose(bias, targets.mean(axis=0))


def test_batches_do_not_matter_and_may_be_empty():
    x, y = data()
    statistics = RidgeStatistics()
    for start, stop in ((0, 0), (0, 1), (1, 40), (40, 40), (40, 60)):
        statistics.add(x[start:stop], y[start:stop])
    for found, expected in zip(
        statistics.solve(0.1)[:2], ridge_regression(x, y, 0.1)
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("regularization", [None, 0.1])
def test_many_features_of_few_samples_take_no_matrix_of_all_features(
    regularization,
):
    # Whose products with each other would be 80 GB.
    x, y = data(samples=12, features=100_000)
    weights, bias = ridge_regression(x, y, regularization)
    centered = x - x.mean(axis=0)
    kernel = centered @ centered.T
    # The penalty that is found is one of powers of ten.
    candidates = [0.1] if regularization else 10.0 ** np.arange(-6, 2)
    errors = []
    for candidate in candidates:
        penalty = len(x) * candidate * x.var(axis=0).mean()
        dual = np.linalg.solve(
            kernel + penalty * np.eye(len(x)), y - y.mean(axis=0)
        )
        errors.append(np.abs(centered.T @ dual - weights).max())
    assert min(errors) < 1e-9
    np.testing.assert_allclose(bias, y.mean(axis=0) - x.mean(axis=0) @ weights)


@pytest.mark.parametrize("samples", [3, 7, 8, 40])
def test_rows_and_their_products_have_one_solution(samples):
    # Seven columns: three rows are held, eight are multiplied.
    x, y = data(samples)
    statistics = RidgeStatistics()
    for row, target in zip(x, y):
        statistics.add(row[None], target[None])
    assert (statistics.products is None) == (samples < 7)
    whole = statistics.solve(0.1)[:2]
    statistics.multiply_rows()
    for found, expected in zip(statistics.solve(0.1), whole):
        np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize(
    "features, targets, message",
    [
        ([[0.0], [np.nan]], [[0], [1]], r"finite.*features\[1, 0\]=nan"),
        ([[0.0], [1.0]], [[np.inf], [1]], r"finite.*targets\[0, 0\]=inf"),
        ([["a"], ["b"]], [[0], [1]], "`features` must be numbers"),
        ([[0.0], [1.0]], [["a"], ["b"]], "`targets` must be numbers"),
        ([[0.0], [1.0]], [0, 1], "targets of"),
        ([[0.0], [1.0]], [[0]], "targets of"),
        (np.zeros((0, 2)), np.zeros((0, 1)), "at least one sample"),
    ],
)
def test_what_cannot_be_fitted_is_a_value_error(features, targets, message):
    with pytest.raises(ValueError, match=message) as error:
        ridge_regression(np.asarray(features), np.asarray(targets))
    assert "Received: " in str(error.value)


@pytest.mark.parametrize("regularization", [0, -1.0, np.nan, np.inf, "l2"])
def test_regularization_must_be_positive(regularization):
    with pytest.raises(ValueError, match="Received: regularization="):
        ridge_regression(np.eye(2), np.eye(2), regularization)


@pytest.mark.parametrize("samples, features", [(60, 5), (20, 50)])
@pytest.mark.parametrize("unit", [1e-20, 1.0, 1e20])
def test_integer_weights_are_repeated_samples(samples, features, unit):
    x, y = data(samples, features)
    counts = np.arange(samples) % 4  # zero among them
    found = ridge_regression(x, y, 0.1, unit * counts)
    repeated = (np.repeat(array, counts, axis=0) for array in (x, y))
    for one, other in zip(found, ridge_regression(*repeated, 0.1)):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("samples, features", [(60, 5), (20, 50)])
def test_the_choice_does_not_depend_on_the_scale_of_weights(samples, features):
    x, y = data(samples, features)
    weights = np.random.default_rng(0).exponential(size=samples)
    weights[::5] = 0.0
    found = statistics_with(x, y, 1e-6 * weights).solve()
    left = weights > 0
    expected = statistics_with(x[left], y[left], weights[left]).solve()
    np.testing.assert_allclose(found.matrix, expected.matrix, rtol=1e-8)
    np.testing.assert_allclose(
        found.cross_validation.scores,
        expected.cross_validation.scores,
        rtol=1e-4,
    )


def statistics_with(x, y, weights):
    statistics = RidgeStatistics()
    for rows in np.array_split(np.arange(len(x)), 3):
        statistics.add(x[rows], y[rows], weights[rows])
    return statistics


def test_generalized_cross_validation_is_that_of_the_hat_matrix():
    x, y = data(12, 4)
    found = statistics_with(x, y, np.ones(12)).solve().cross_validation
    centered = x - x.mean(axis=0)
    targets = (y - y.mean(axis=0)) / y.std(axis=0)
    for candidate, score in zip(found.candidates, found.scores[:, 0]):
        penalty = 12 * candidate * x.var(axis=0).mean()
        hat = 1 / 12 + centered @ np.linalg.solve(
            centered.T @ centered + penalty * np.eye(4), centered.T
        )
        error = np.mean((targets - hat @ targets) ** 2)
        expected = error / (1 - np.trace(hat) / 12) ** 2
        assert score == pytest.approx(expected)


@pytest.mark.parametrize(
    "weights, message",
    [
        (np.zeros(2), "one above 0"),
        (np.ones(3), "one weight for each"),
        ([1, -1], "at least 0"),
        ([1, np.nan], "finite"),
    ],
)
def test_weights_that_are_none_are_value_errors(weights, message):
    with pytest.raises(ValueError, match=message):
        ridge_regression(np.eye(2), np.eye(2), 0.1, weights)


@pytest.mark.numpy_alone
@pytest.mark.parametrize("features", [3, 50])
def test_a_target_is_fitted_to_the_samples_in_which_it_is_known(features):
    generator = np.random.default_rng(0)
    x = generator.normal(2, 3, (40, features))
    y = x[:, :2] @ generator.normal(size=(2, 2)) + generator.normal(
        5, 1, (40, 2)
    )
    weights = generator.random(40)
    # The first target of NaN is in the last batch.
    y[30::2, 0] = y[33, 1] = np.nan
    found = RidgeOfKnownTargets(2)
    for rows in (slice(10), slice(10, 30), slice(30, 40)):
        found.add(x[rows], y[rows], weights[rows])
    assert found.count == 35
    solution = found.solve(0.1)
    mean, scale = found.target_scale()
    for target in range(2):
        known = ~np.isnan(y[:, target])
        expected = ridge_regression(
            x[known], y[known, target : target + 1], 0.1, weights[known]
        )
        np.testing.assert_allclose(
            solution.matrix[:, [target]], expected[0], atol=1e-8
        )
        np.testing.assert_allclose(solution.bias[[target]], expected[1])
        expected = np.average(y[known, target], weights=weights[known])
        np.testing.assert_allclose(mean[target], expected)
    source_mean, _ = found.source_scale()
    np.testing.assert_allclose(source_mean, np.average(x, 0, weights))
    chosen = found.solve()
    assert len(chosen.cross_validation.scores) == 8
    again = found.solve(chosen.cross_validation.chosen)
    np.testing.assert_array_equal(chosen.matrix, again.matrix)


@pytest.mark.numpy_alone
def test_known_targets_share_their_statistics():
    x, y = np.random.default_rng(0).normal(size=(2, 20, 3))
    found = RidgeOfKnownTargets(3)
    found.add(x, y)
    weights, bias = ridge_regression(x, y)
    np.testing.assert_array_equal(found.solve().matrix, weights)
    assert len(found.parts) == 1
    empty = RidgeOfKnownTargets(2)
    empty.add(x, np.full((20, 2), np.nan))
    assert empty.count == 0
