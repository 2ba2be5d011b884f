import importlib

import numpy as np
import pytest

from keras_reprogram.outputs import logistic_regression
from keras_reprogram.outputs.cross_validation import stratified_folds
from keras_reprogram.outputs.logistic_regression import (
    cross_validated_regularization,
)

pytestmark = pytest.mark.numpy_alone


@pytest.mark.parametrize("samples, features", [(200, 30), (40, 80)])
@pytest.mark.parametrize("regularization", [0.005, 0.1])
def test_agrees_with_scikit_learn(samples, features, regularization):
    generator = np.random.default_rng(0)
    inputs = generator.normal(2.0, 3.0, size=(samples, features))
    truth = generator.normal(size=(features, 4))
    labels = (inputs @ truth + generator.gumbel(size=(samples, 4))).argmax(1)
    linear_model = pytest.importorskip("sklearn.linear_model")
    weights, bias = logistic_regression(inputs, labels, 4, regularization)
    reference = linear_model.LogisticRegression(
        C=1 / (samples * regularization * inputs.var(axis=0).mean()),
        max_iter=10_000,
        tol=1e-9,
    ).fit(inputs, labels)
    scores = inputs @ weights + bias
    expected = inputs @ reference.coef_.T + reference.intercept_
    scores -= scores.mean(axis=1, keepdims=True)
    expected -= expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(scores, expected, atol=0.02)


def test_an_absent_class_is_never_predicted():
    generator = np.random.default_rng(0)
    inputs, labels = generator.normal(size=(50, 5)), np.arange(50) % 2
    weights, bias = logistic_regression(inputs, labels, 3)
    assert weights.shape == (5, 3) and np.isfinite(weights).all()
    assert (inputs @ weights + bias).argmax(axis=1).max() <= 1


def test_cross_validation_penalises_noise_more_than_signal():
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(100, 20))
    signal = inputs[:, :3].argmax(axis=1)
    noise = generator.integers(0, 3, 100)
    clear = cross_validated_regularization(inputs, signal, 3).chosen
    assert (
        clear < cross_validated_regularization(inputs, noise, 3).chosen == 10.0
    )


def test_cross_validation_agrees_with_fits_of_each_fold():
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(60, 8))
    labels = (inputs[:, :2] + generator.normal(size=(60, 2)) > 0).astype(float)
    labels[::7, 0] = np.nan
    candidates = (0.01, 0.1, 1.0)
    folds = stratified_folds(labels, 5, seed=0)
    losses, accuracies = [], []
    for candidate in candidates:
        losses.append([])
        accuracies.append([])
        for fold in folds:
            rest = np.setdiff1d(np.arange(60), fold)
            weights, bias = logistic_regression(
                inputs[rest], labels[rest], 2, candidate
            )
            scores = inputs[fold] @ weights + bias
            known = ~np.isnan(labels[fold])
            probability = 1 / (1 + np.exp(-scores))
            likelihood = np.where(labels[fold], probability, 1 - probability)
            losses[-1].append(-np.log(likelihood[known]).mean())
            accuracies[-1].append((likelihood[known] > 0.5).mean())
    found = cross_validated_regularization(inputs, labels, 2, candidates)
    np.testing.assert_allclose(found.scores, losses[::-1], rtol=1e-4)
    np.testing.assert_allclose(found.other_scores["accuracy"], accuracies[::-1])
    assert found.chosen == candidates[int(np.argmin(np.mean(losses, axis=1)))]


UNITS = [1e-30, 1e-20, 0.1, 1e15, 1e30]


def problem(samples, features):
    generator = np.random.default_rng(2)
    inputs = generator.normal(1.0, 2.0, size=(samples, features))
    noisy = inputs[:, :3] + generator.normal(size=(samples, 3))
    return inputs, noisy.argmax(axis=1)


@pytest.mark.parametrize("samples, features", [(60, 8), (15, 40)])
@pytest.mark.parametrize("unit", UNITS)
def test_predictions_do_not_depend_on_the_unit(samples, features, unit):
    inputs, labels = problem(samples, features)
    weights, bias = logistic_regression(inputs, labels, 3)
    expected = inputs @ weights + bias
    weights, bias = logistic_regression(unit * inputs, labels, 3)
    np.testing.assert_allclose(unit * inputs @ weights + bias, expected)
    penalty, unit_penalty = (
        cross_validated_regularization(features, labels, 3).chosen
        for features in (inputs, unit * inputs)
    )
    assert penalty == unit_penalty


def test_binary_targets_do_not_depend_on_the_unit():
    inputs, labels = problem(40, 5)
    labels = np.where(np.arange(40)[:, None] % 7, np.eye(3)[labels], np.nan)
    weights, bias = logistic_regression(inputs, labels, 3)
    small, bias_of_small = logistic_regression(1e-9 * inputs, labels, 3)
    np.testing.assert_allclose(1e-9 * small, weights)
    np.testing.assert_allclose(bias_of_small, bias)


def test_a_mean_far_from_zero_changes_nothing():
    inputs, labels = problem(60, 8)
    weights, bias = logistic_regression(inputs, labels, 3)
    shifted, bias_of_shifted = logistic_regression(inputs + 1e6, labels, 3)
    np.testing.assert_allclose(shifted, weights, rtol=1e-6)
    np.testing.assert_allclose(
        (inputs + 1e6) @ shifted + bias_of_shifted,
        inputs @ weights + bias,
        atol=1e-6,
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [0.0, 7.7, 1e-5])
def test_constant_features_predict_how_frequent_a_class_is(dtype, value):
    labels = np.array([0, 0, 0, 1])
    inputs = np.full((4, 3), value, dtype)
    weights, bias = logistic_regression(inputs, labels, 2)
    np.testing.assert_array_equal(weights, 0.0)
    assert bias[0] - bias[1] == pytest.approx(np.log(3), abs=1e-3)


@pytest.mark.parametrize("samples, classes", [(1, 1), (1, 3), (9, 1), (9, 3)])
def test_few_samples_of_one_class_are_fitted(samples, classes):
    inputs = np.random.default_rng(0).normal(size=(samples, 4))
    labels = np.zeros(samples, int)
    found = cross_validated_regularization(inputs, labels, classes)
    penalty = found.chosen
    weights, bias = logistic_regression(inputs, labels, classes, penalty)
    assert np.isfinite(weights).all() and np.isfinite(bias).all()
    assert ((inputs @ weights + bias).argmax(axis=1) == 0).all()


def test_repeated_samples_are_as_one_sample_each():
    inputs, labels = problem(30, 6)
    once = logistic_regression(inputs, labels, 3)
    thrice = logistic_regression(np.tile(inputs, (3, 1)), np.tile(labels, 3), 3)
    np.testing.assert_allclose(thrice[0], once[0], atol=1e-4)


def test_features_of_very_different_units_stay_finite():
    inputs, labels = problem(60, 8)
    inputs = inputs * 10.0 ** np.arange(-18, 30, 6)
    weights, bias = logistic_regression(inputs, labels, 3)
    assert np.isfinite(inputs @ weights + bias).all()


@pytest.mark.parametrize("regularization", [0, -1.0, np.nan, np.inf, "l2"])
def test_regularization_must_be_positive(regularization):
    with pytest.raises(ValueError, match="Received: regularization="):
        logistic_regression(np.eye(2), np.arange(2), 2, regularization)


@pytest.mark.parametrize(
    "features, labels, message",
    [
        ([[0.0, 1.0], [np.nan, 2.0]], [0, 1], r"finite.*features\[1, 0\]=nan"),
        ([[0.0, 1.0], [2.0, -np.inf]], [0, 1], r"features\[1, 1\]=-inf"),
        ([["a"], ["b"]], [0, 1], "`features` must be numbers"),
        (np.eye(2), [0, 2], "labels from 0 to 2"),
        (np.eye(2), [0, -1], "labels from -1 to 0"),
        (np.eye(2), [0, 0.5], "integers.*labels such as 0.5"),
        (np.eye(2), [0, np.nan], "multi_label"),
        (np.eye(2), ["cat", "dog"], "return_inverse=True"),
        (np.eye(2), [[0, 2], [1, 0]], "0, 1, or NaN"),
        (np.eye(2), [0, 1, 1], "features of"),
        (np.zeros((0, 2)), np.zeros(0, int), "at least one sample"),
    ],
)
@pytest.mark.parametrize(
    "fit", [logistic_regression, cross_validated_regularization]
)
def test_what_cannot_be_fitted_is_a_value_error(fit, features, labels, message):
    with pytest.raises(ValueError, match=message) as error:
        fit(np.asarray(features), np.asarray(labels), 2)
    assert "Received: " in str(error.value)


def test_each_target_has_its_own_logistic_regression(
    golden_logits, binary_labels
):
    linear_model = pytest.importorskip("sklearn.linear_model")
    weights, bias = logistic_regression(golden_logits, binary_labels, 3, 0.1)
    unit = golden_logits.var(axis=0).mean()
    for target in range(3):
        known = ~np.isnan(binary_labels[:, target])
        # The mean is over all samples here, over the known ones there.
        peer = linear_model.LogisticRegression(
            C=1 / (12 * 0.1 * unit), tol=1e-8
        )
        peer.fit(golden_logits[known], binary_labels[known, target])
        np.testing.assert_allclose(weights[:, target], peer.coef_[0], atol=1e-3)
        np.testing.assert_allclose(bias[target], peer.intercept_[0], atol=1e-3)


@pytest.fixture
def exact(monkeypatch):
    # The room has a function of this name.
    module = importlib.import_module(logistic_regression.__module__)
    monkeypatch.setattr(module, "TOLERANCE", 1e-10)
    monkeypatch.setattr(module, "MAXIMUM_ITERATIONS", 20_000)


@pytest.mark.parametrize("samples, features", [(30, 6), (12, 20)])
@pytest.mark.parametrize("unit", [1e-20, 1.0, 1e20])
def test_integer_weights_are_repeated_samples(exact, samples, features, unit):
    inputs, labels = problem(samples, features)
    counts = np.arange(samples) % 4  # zero among them
    found = logistic_regression(inputs, labels, 3, sample_weight=unit * counts)
    expected = logistic_regression(
        np.repeat(inputs, counts, axis=0), np.repeat(labels, counts), 3
    )
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, atol=1e-8)


def test_weights_of_binary_labels_are_of_samples_or_of_targets(exact):
    inputs, labels = problem(30, 4)
    labels = np.where(np.arange(30)[:, None] % 7, np.eye(3)[labels], np.nan)
    counts = np.arange(30) % 3
    repeated = (np.repeat(array, counts, axis=0) for array in (inputs, labels))
    expected = logistic_regression(*repeated, 3)
    for weights in (counts, np.repeat(counts, 3).reshape(30, 3)):
        found = logistic_regression(inputs, labels, 3, sample_weight=weights)
        for one, other in zip(found, expected):
            np.testing.assert_allclose(one, other, atol=1e-8)


def test_targets_of_different_weights_agree_with_scikit_learn(exact):
    linear_model = pytest.importorskip("sklearn.linear_model")
    inputs, labels = problem(40, 4)
    labels = np.eye(3)[labels]
    weights = np.random.default_rng(0).exponential(size=(40, 3))
    found, bias = logistic_regression(inputs, labels, 3, sample_weight=weights)
    largest = weights.max(axis=1)
    mean = np.average(inputs, axis=0, weights=largest)
    unit = np.average((inputs - mean) ** 2, axis=0, weights=largest).mean()
    for target in range(3):
        peer = linear_model.LogisticRegression(
            C=1 / (weights.mean() * 40 * 0.1 * unit), tol=1e-10, max_iter=9999
        ).fit(inputs, labels[:, target], weights[:, target])
        np.testing.assert_allclose(found[:, target], peer.coef_[0], atol=1e-4)
        np.testing.assert_allclose(bias[target], peer.intercept_, atol=1e-4)


def test_cross_validation_weights_its_losses():
    inputs, labels = problem(60, 8)
    weights = np.random.default_rng(0).exponential(size=60)
    found = cross_validated_regularization(
        inputs, labels, 3, (0.1,), sample_weight=weights
    )
    predictions = np.zeros((60, 3))
    predictions[found.sample_indices] = found.predictions
    for fold, score in zip(stratified_folds(labels, 5), found.scores[0]):
        rest = np.setdiff1d(np.arange(60), fold)
        matrix, bias = logistic_regression(
            inputs[rest], labels[rest], 3, 0.1, weights[rest]
        )
        scores = inputs[fold] @ matrix + bias
        np.testing.assert_allclose(predictions[fold], scores, atol=1e-4)
        losses = np.log(np.exp(scores).sum(axis=1))
        losses -= scores[np.arange(len(fold)), labels[fold]]
        expected = np.average(losses, weights=weights[fold])
        assert score == pytest.approx(expected, rel=1e-4)


def test_samples_without_a_weight_are_in_no_fold():
    inputs, labels = problem(40, 5)
    counted = np.arange(40) % 3 > 0
    found = cross_validated_regularization(
        inputs, labels, 3, sample_weight=counted.astype("float64")
    )
    expected = cross_validated_regularization(
        inputs[counted], labels[counted], 3
    )
    np.testing.assert_allclose(found.scores, expected.scores)
    np.testing.assert_allclose(found.predictions, expected.predictions)
    np.testing.assert_array_equal(
        found.sample_indices, np.flatnonzero(counted)[expected.sample_indices]
    )


def test_a_class_that_one_fold_has_alone_decides_nothing():
    inputs, labels = problem(41, 5)
    inputs[0], labels[0] = 50.0, 3
    found = cross_validated_regularization(inputs, labels, 4)
    assert np.isfinite(found.scores).all() and found.scores.shape[1] == 5
    assert found.scores.max() < 2


def test_a_sample_alone_has_no_folds():
    found = cross_validated_regularization(np.eye(1), np.zeros(1, int), 2)
    assert found.scores.shape == (7, 0) and found.chosen == 10.0
    assert found.predictions.shape == (0, 2)


@pytest.mark.parametrize(
    "weights, message",
    [
        (np.zeros(3), "above 0"),
        ([1, -1, 1], "at least 0"),
        ([1, np.nan, 1], "finite"),
        (np.ones(2), "one weight for each sample"),
        (np.ones((3, 2)), "one weight for each sample"),
        (["a", "b", "c"], "numbers"),
    ],
)
@pytest.mark.parametrize(
    "fit", [logistic_regression, cross_validated_regularization]
)
def test_weights_that_are_none_are_value_errors(fit, weights, message):
    with pytest.raises(ValueError, match=message):
        fit(np.eye(3), np.arange(3), 3, sample_weight=weights)
