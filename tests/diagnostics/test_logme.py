import numpy as np
import pytest
from keras import ops

from keras_reprogram.diagnostics import logme


def log_density(features, targets, prior, noise):
    """log Normal(y; 0, F F^T / a + I / b), from its covariance."""
    samples = len(targets)
    covariance = features @ features.T / prior + np.eye(samples) / noise
    _, determinant = np.linalg.slogdet(covariance)
    square = targets @ np.linalg.solve(covariance, targets)
    return -(samples * np.log(2 * np.pi) + determinant + square) / 2


def brute_force(features, targets):
    """The largest evidence on grids of both precisions, refined."""
    center, width = np.zeros(2), 12.0
    for _ in range(12):
        steps = np.linspace(-width, width, 17)
        points = [center + (a, b) for a in steps for b in steps]
        values = [
            log_density(features, targets, *np.exp(point)) for point in points
        ]
        center, width = points[int(np.argmax(values))], width / 3
    return max(values) / len(targets)


@pytest.mark.numpy_alone
@pytest.mark.parametrize("size", [2, 7, 20])
def test_logme_is_the_largest_evidence_over_both_precisions(size):
    generator = np.random.default_rng(size)
    features = generator.normal(size=(12, size)) * 3
    targets = features[:, :2].sum(axis=1) + generator.normal(size=12)
    np.testing.assert_allclose(
        logme(features, targets), brute_force(features, targets), atol=1e-4
    )


@pytest.mark.numpy_alone
def test_classes_are_averaged_one_against_the_rest():
    generator = np.random.default_rng(0)
    labels = np.arange(12) % 3
    features = np.eye(3)[labels] + 0.5 * generator.normal(size=(12, 3))
    columns = np.eye(3)[labels]
    found = [logme(features, 1.5 * column) for column in columns.T]
    np.testing.assert_allclose(
        logme(features, labels), np.mean(found) + np.log(1.5)
    )
    np.testing.assert_allclose(
        logme(features, labels),
        np.mean([brute_force(features, column) for column in columns.T]),
        atol=1e-4,
    )


@pytest.mark.numpy_alone
def test_one_feature_has_the_evidence_of_a_closed_form():
    # With y along the only feature, no noise is left.
    targets = np.array([1.0, -1.0, 1.0, -1.0])
    noisy = targets + np.array([0.1, 0.1, -0.1, -0.1])
    features = targets[:, None]
    # Along the axis the variance of y is z^2, of three others r^2 / 3.
    along, across = 4.0, 0.04
    expected = -0.5 * (
        4 * np.log(2 * np.pi) + 4 + np.log(along) + 3 * np.log(across / 3)
    )
    np.testing.assert_allclose(logme(features, noisy), expected / 4, rtol=1e-6)


@pytest.mark.numpy_alone
def test_features_that_explain_nothing_leave_the_evidence_of_noise():
    targets = np.array([1.0, -1.0, 1.0, -1.0])
    features = np.ones((4, 2))
    expected = -0.5 * (np.log(2 * np.pi) + 1)
    np.testing.assert_allclose(logme(features, targets), expected, rtol=1e-6)
    np.testing.assert_allclose(logme(0 * features, targets), expected)


@pytest.mark.numpy_alone
def test_labels_among_the_features_have_a_large_and_finite_evidence():
    labels = np.arange(40) % 4
    features = np.eye(4)[labels]
    noisy = features + 0.1 * np.random.default_rng(0).normal(size=(40, 4))
    assert logme(noisy, labels) + 1 < logme(features, labels) < 100


@pytest.mark.numpy_alone
@pytest.mark.parametrize("size", [3, 30])
def test_unit_order_and_rotation_do_not_matter(size):
    generator = np.random.default_rng(0)
    labels = np.arange(20) % 2
    features = generator.normal(size=(20, size)) + labels[:, None]
    rotation, _ = np.linalg.qr(generator.normal(size=(size, size)))
    expected = logme(features, labels)
    order = generator.permutation(20)
    for changed in (1e4 * features, 1e-4 * features, features @ rotation):
        np.testing.assert_allclose(logme(changed, labels), expected, rtol=1e-5)
    np.testing.assert_allclose(
        logme(features[order], labels[order]), expected, rtol=1e-9
    )


def test_tensors_and_more_axes_are_accepted():
    features = np.random.default_rng(0).normal(size=(8, 2, 3)).astype("float32")
    labels = np.arange(8) % 2
    found = logme(
        ops.convert_to_tensor(features), ops.convert_to_tensor(labels)
    )
    assert found == pytest.approx(logme(features.reshape(8, 6), labels))
