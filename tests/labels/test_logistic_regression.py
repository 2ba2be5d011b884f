import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from keras_reprogram.labels import logistic_regression
from keras_reprogram.labels.logistic_regression import (
    cross_validated_regularization,
)


@pytest.mark.parametrize("samples, features", [(200, 30), (40, 80)])
@pytest.mark.parametrize("regularization", [0.005, 0.1])
def test_agrees_with_scikit_learn(samples, features, regularization):
    generator = np.random.default_rng(0)
    inputs = generator.normal(2.0, 3.0, size=(samples, features))
    truth = generator.normal(size=(features, 4))
    labels = (inputs @ truth + generator.gumbel(size=(samples, 4))).argmax(1)
    weights, bias = logistic_regression(inputs, labels, 4, regularization)
    reference = LogisticRegression(
        C=1 / (samples * regularization), max_iter=10_000, tol=1e-9
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
    clear = cross_validated_regularization(inputs, signal, 3)
    assert clear < cross_validated_regularization(inputs, noise, 3) == 10.0


def test_cross_validation_agrees_with_fits_of_each_fold():
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(60, 8))
    labels = (inputs[:, :2] + generator.normal(size=(60, 2)) > 0).astype(float)
    labels[::7, 0] = np.nan
    candidates = (0.01, 0.1, 1.0)
    order = np.random.default_rng(0).permutation(60)
    losses = []
    for candidate in candidates:
        total = 0.0
        for fold in np.array_split(order, 5):
            rest = np.setdiff1d(order, fold)
            weights, bias = logistic_regression(
                inputs[rest], labels[rest], 2, candidate
            )
            scores = inputs[fold] @ weights + bias
            probability = 1 / (1 + np.exp(-scores))
            likelihood = np.where(labels[fold], probability, 1 - probability)
            total -= np.log(likelihood[~np.isnan(labels[fold])]).sum()
        losses.append(total)
    expected = candidates[int(np.argmin(losses))]
    found = cross_validated_regularization(inputs, labels, 2, candidates)
    assert found == expected


def test_regularization_must_be_positive():
    with pytest.raises(ValueError, match="Received: regularization=0"):
        logistic_regression(np.eye(2), np.arange(2), 2, regularization=0)
