import numpy as np
import pytest

from keras_reprogram.outputs import kernel_regression
from keras_reprogram.outputs.logistic_regression import logistic_regression

pytestmark = pytest.mark.numpy_alone

COUNT, SIZE, CLASSES = 12, 30, 3


def samples(seed=0):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(COUNT, SIZE)) + 5
    return features, np.arange(COUNT) % CLASSES, generator


def test_ridge_regression_in_kernel_form_is_that_of_features():
    features, labels, generator = samples()
    weights = generator.uniform(0.5, 2, COUNT)
    kernel, penalty = features @ features.T, 0.1
    (dual,) = kernel_regression.ridge(
        kernel, labels, CLASSES, [penalty], weights
    )
    # Weighted normal equations, with a constant feature of no penalty.
    weights = weights / weights.mean()
    mean = weights @ features / COUNT
    unit = (weights @ np.square(features - mean)).sum() / COUNT
    augmented = np.hstack([features, np.ones((COUNT, 1))])
    penalties = np.diag([COUNT * penalty * unit] * SIZE + [0.0])
    solution = np.linalg.solve(
        augmented.T @ (weights[:, None] * augmented) + penalties,
        augmented.T @ (weights[:, None] * np.eye(CLASSES)[labels]),
    )
    np.testing.assert_allclose(dual.weights(features), solution[:-1], atol=1e-9)
    np.testing.assert_allclose(dual.bias, solution[-1], atol=1e-8)
    np.testing.assert_allclose(
        dual.scores(kernel), augmented @ solution, atol=1e-8
    )


@pytest.mark.parametrize(
    "solver", [kernel_regression.ridge, kernel_regression.logistic]
)
def test_weights_of_samples_are_numbers_of_repetitions(solver):
    features, labels, _ = samples()
    counts = np.arange(COUNT) % 3
    rows = np.repeat(np.arange(COUNT), counts)
    repeated, repeated_labels = features[rows], labels[rows]
    (expected,) = solver(
        repeated @ repeated.T, repeated_labels, CLASSES, [0.01]
    )
    (found,) = solver(
        features @ features.T, labels, CLASSES, [0.01], counts.astype("float64")
    )
    products = features @ repeated.T
    np.testing.assert_allclose(
        found.scores(features @ features.T),
        expected.scores(products),
        atol=2e-3,
    )


def test_logistic_regression_in_kernel_form_is_that_of_features():
    features, labels, _ = samples()
    kernel = features @ features.T
    duals = kernel_regression.logistic(kernel, labels, CLASSES, [0.01, 0.1])
    for penalty, dual in zip((0.01, 0.1), duals):
        # `logistic_regression` has units of the mean variance of a feature.
        weights, bias = logistic_regression(
            features, labels, CLASSES, penalty * SIZE
        )
        np.testing.assert_allclose(
            dual.scores(kernel), features @ weights + bias, atol=1e-3
        )


def test_scores_do_not_depend_on_the_unit_of_features():
    features, labels, _ = samples()
    for solver in (kernel_regression.ridge, kernel_regression.logistic):
        (one,) = solver(features @ features.T, labels, CLASSES, [0.01])
        scaled = 1e3 * features
        (other,) = solver(scaled @ scaled.T, labels, CLASSES, [0.01])
        np.testing.assert_allclose(
            one.scores(features @ features.T),
            other.scores(scaled @ scaled.T),
            atol=1e-6,
        )


def test_a_block_is_scaled_to_a_mean_norm_of_one():
    features, _, _ = samples()
    scaled = kernel_regression.unit_norm(features) * features
    norms = np.linalg.norm(scaled - scaled.mean(axis=0), axis=1)
    assert np.isclose(norms.mean(), 1)
    assert kernel_regression.unit_norm(np.ones((4, 2))) == 1


@pytest.mark.parametrize(
    "solver", [kernel_regression.ridge, kernel_regression.logistic]
)
def test_equal_samples_have_a_bias_alone(solver):
    labels = np.array([0, 0, 1])
    (dual,) = solver(np.ones((3, 3)), labels, 2, [1e-3])
    scores = dual.scores(np.ones((1, 3)))
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores, dual.bias[None])
    assert dual.bias[0] > dual.bias[1]
