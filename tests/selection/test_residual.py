import numpy as np
import pytest

from keras_reprogram.outputs.logistic_regression import cross_entropy
from keras_reprogram.selection.residual import ResidualMap
from keras_reprogram.selection.residual import temperature_of

pytestmark = pytest.mark.numpy_alone


def drawn(count=2000, classes=3):
    """Logits, and labels that are drawn by their probabilities."""
    generator = np.random.default_rng(0)
    logits = 2 * generator.normal(size=(count, classes))
    noise = generator.gumbel(size=logits.shape)
    return logits, (logits + noise).argmax(axis=1), np.ones(count)


def test_the_temperature_calibrates_scores_of_any_unit():
    logits, labels, weights = drawn()
    for unit in (0.01, 1.0, 50.0):
        found = temperature_of(unit * logits, labels, weights)
        np.testing.assert_allclose(found * unit, 1, rtol=0.15)


def test_calibrated_scores_need_no_residual():
    logits, labels, weights = drawn()
    found = ResidualMap.fitted(logits, labels, weights)
    np.testing.assert_allclose(found.matrix, np.eye(3), atol=0.15)
    np.testing.assert_allclose(found.bias, 0, atol=0.15)


def test_a_residual_map_mends_scores_that_are_mixed_up():
    logits, labels, weights = drawn()
    mixed = logits @ np.array([[1, 0.8, 0], [0, 1, 0], [0.8, 0, 1]])
    factor = temperature_of(mixed, labels, weights)
    before = cross_entropy(factor * mixed, labels, weights)
    found = ResidualMap.fitted(mixed, labels, weights)
    after = cross_entropy(found.logits(mixed), labels, weights)
    assert after < before - 0.01


def test_a_class_without_samples_leaves_finite_logits():
    logits, labels, weights = drawn(50)
    found = ResidualMap.fitted(logits, labels % 2, weights)
    assert np.isfinite(found.logits(logits)).all()


def test_scores_that_are_all_equal_leave_finite_logits():
    found = ResidualMap.fitted(np.zeros((6, 2)), np.arange(6) % 2, np.ones(6))
    np.testing.assert_allclose(found.logits(np.zeros((1, 2))), 0, atol=1e-6)


def test_scores_without_an_error_do_not_become_certainty():
    labels = np.arange(20) % 2
    scores = np.eye(2)[labels]
    factor = temperature_of(scores, labels, np.ones(20))
    assert 2 < factor < 6
