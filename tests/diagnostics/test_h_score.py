import numpy as np
import pytest

from keras_reprogram.diagnostics import h_score
from keras_reprogram.diagnostics.h_score import ledoit_wolf

pytestmark = pytest.mark.numpy_alone


def data(samples, size):
    generator = np.random.default_rng(samples + size)
    labels = generator.permutation(np.arange(samples) % 3)
    features = generator.normal(size=(samples, size))
    features[:, :2] += labels[:, None]
    return features, labels


def direct(features, labels, shrinkage):
    """The score from its definition, by covariances and an inverse."""
    features = features - features.mean(axis=0)
    means = np.stack(
        [features[labels == label].mean(axis=0) for label in labels]
    )
    size = features.shape[1]
    covariance = np.cov(features.T, bias=True)
    target = np.trace(covariance) / size * np.eye(size)
    shrunk = (1 - shrinkage) * covariance + shrinkage * target
    between = np.cov(means.T, bias=True)
    return (1 - shrinkage) * np.trace(np.linalg.pinv(shrunk) @ between)


@pytest.mark.parametrize("size", [4, 40])
@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 1])
def test_the_score_is_a_trace_of_covariances(size, shrinkage):
    features, labels = data(15, size)
    np.testing.assert_allclose(
        h_score(features, labels, shrinkage),
        direct(features, labels, shrinkage),
        atol=1e-9,
    )


@pytest.mark.parametrize("size", [4, 40])
def test_the_default_shrinkage_is_that_of_ledoit_and_wolf(size):
    features, labels = data(15, size)
    centered = features - features.mean(axis=0)
    covariance = centered.T @ centered / 15
    mean = np.trace(covariance) / size
    distance = ((covariance - mean * np.eye(size)) ** 2).sum()
    deviation = sum(
        ((np.outer(row, row) - covariance) ** 2).sum() for row in centered
    )
    expected = min(deviation / 15**2, distance) / distance
    assert ledoit_wolf(centered, size) == pytest.approx(expected)
    assert h_score(features, labels) == pytest.approx(
        direct(features, labels, expected)
    )


@pytest.mark.parametrize("size", [4, 40])
def test_the_shrinkage_is_that_of_scikit_learn(size):
    covariance = pytest.importorskip("sklearn.covariance")
    features, _ = data(15, size)
    assert ledoit_wolf(features - features.mean(axis=0), size) == pytest.approx(
        covariance.ledoit_wolf_shrinkage(features)
    )


def test_separated_classes_have_one_less_than_their_number():
    labels = np.arange(12) % 4
    assert h_score(np.eye(4)[labels], labels, 0.0) == pytest.approx(3)


def test_the_original_score_separates_any_wide_features():
    features, labels = data(15, 40)
    shuffled = np.roll(labels, 7)
    assert h_score(features, shuffled, 0.0) == pytest.approx(2)
    assert h_score(features, shuffled) < 1


def test_constant_features_score_zero():
    assert h_score(np.ones((6, 3)), np.arange(6) % 2) == 0


@pytest.mark.parametrize("shrinkage", ["ledoit", -0.1, 1.5, True, None])
def test_another_shrinkage_raises(shrinkage):
    with pytest.raises(ValueError, match="Received: shrinkage"):
        h_score(*data(15, 4), shrinkage)


def test_numbers_raise():
    with pytest.raises(ValueError, match="classes.*Received: labels"):
        h_score(np.ones((4, 2)), np.array([0.5, 1.0, 2.0, 0.1]))
