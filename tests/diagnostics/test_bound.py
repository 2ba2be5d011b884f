import math

import numpy as np
import pytest

from keras_reprogram.diagnostics import risk_bound
from keras_reprogram.diagnostics import wasserstein

pytestmark = pytest.mark.numpy_alone


def sure(labels, classes=3, strength=60.0):
    """Logits whose probabilities are the labels' one-hot."""
    return strength * np.eye(classes)[labels]


@pytest.fixture
def labels():
    return np.arange(30) % 3


def probabilities(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def test_risks_are_mean_distances_of_probabilities_from_labels(labels):
    logits = np.random.default_rng(0).normal(size=(30, 3))
    terms = risk_bound(logits, labels, logits, (labels + 1) % 3)
    for risk, expected in (
        (terms.source_risk, labels),
        (terms.target_risk, (labels + 1) % 3),
    ):
        errors = probabilities(logits) - np.eye(3)[expected]
        np.testing.assert_allclose(
            risk, np.sqrt((errors**2).sum(axis=1)).mean()
        )


def test_the_bound_is_the_source_risk_and_the_scaled_distance(labels):
    logits = np.random.default_rng(0).normal(size=(30, 3))
    terms = risk_bound(logits, labels, logits + 0.1, labels, exact=True)
    np.testing.assert_allclose(terms.distance, 0.1 * math.sqrt(3))
    np.testing.assert_allclose(
        terms.bound, terms.source_risk + 2 * math.sqrt(3) * terms.distance
    )
    assert terms.num_classes == 3 and terms.is_exact


def test_the_sliced_distance_is_that_of_a_translated_set(labels):
    logits = np.random.default_rng(0).normal(size=(30, 3))
    terms = risk_bound(
        logits, labels, logits + 0.1, labels, num_projections=20_000
    )
    np.testing.assert_allclose(terms.distance, 0.1 * math.sqrt(3), rtol=0.02)
    assert not terms.is_exact and terms.labeled_bound is None


def test_permuted_labels_are_above_the_bound_and_not_above_that_with_labels(
    labels,
):
    logits = sure(labels)
    terms = risk_bound(logits, labels, logits, (labels + 1) % 3, exact=True)
    np.testing.assert_allclose(terms.target_risk, math.sqrt(2))
    np.testing.assert_allclose(terms.bound, 0.0, atol=1e-12)
    assert not terms.is_vacuous and terms.target_risk > terms.bound
    np.testing.assert_allclose(terms.labeled_bound, math.sqrt(2))


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_with_labels_holds_for_any_samples(seed):
    draws = np.random.default_rng(seed)
    logits = draws.normal(size=(2, 40, 4)) * 4 ** draws.uniform(-1, 1)
    labels = draws.integers(0, 4, size=(2, 40))
    terms = risk_bound(logits[0], labels[0], logits[1], labels[1], exact=True)
    assert terms.target_risk <= terms.labeled_bound
    # The distance without labels is no larger, and softmax halves distances.
    distance = wasserstein(*map(probabilities, logits))
    assert distance <= wasserstein(*logits) / 2
    assert terms.labeled_bound >= terms.source_risk + distance - 1e-9


def test_a_bound_is_vacuous_from_the_largest_loss_on(labels):
    near, far = (
        risk_bound(sure(labels), labels, sure(labels) + step, labels)
        for step in (0.01, 10.0)
    )
    assert near.bound < math.sqrt(2) <= far.bound
    assert not near.is_vacuous and far.is_vacuous


def test_very_large_logits_have_finite_risks(labels):
    logits = sure(labels, strength=1e6)
    assert risk_bound(logits, labels, logits, labels).source_risk == 0.0


def test_probabilities_and_single_outputs_are_refused(labels):
    logits = np.random.default_rng(0).normal(size=(30, 3))
    found = probabilities(logits)
    with pytest.raises(ValueError, match="`target_logits` .* logarithms"):
        risk_bound(logits, labels, found, labels)
    with pytest.raises(ValueError, match="`source_logits` .* logarithms"):
        risk_bound(found, labels, logits, labels)
    one = logits[:, :1]
    with pytest.raises(ValueError, match="at least two classes"):
        risk_bound(one, 0 * labels, one, 0 * labels)
    logarithms = np.log(found)
    np.testing.assert_allclose(
        risk_bound(logarithms, labels, logits, labels).source_risk,
        risk_bound(logits, labels, logits, labels).source_risk,
    )


def test_labels_must_be_a_source_class_for_each_sample(labels):
    logits = np.random.default_rng(0).normal(size=(30, 3))
    for wrong in (
        labels[:-1],
        labels + 1,
        labels - 1,
        labels + 0.5,
        np.eye(3)[labels],
        np.full(30, "a"),
        labels == 1,
    ):
        with pytest.raises(ValueError, match="`target_labels` .* Received"):
            risk_bound(logits, labels, logits, wrong)
        with pytest.raises(ValueError, match="`source_labels` .* Received"):
            risk_bound(logits, wrong, logits, labels)


def test_other_numbers_of_samples_need_the_sliced_distance(labels):
    logits = np.random.default_rng(0).normal(size=(30, 3))
    arguments = logits, labels, logits[:20], labels[:20]
    assert risk_bound(*arguments).distance > 0
    with pytest.raises(ValueError, match="same size"):
        risk_bound(*arguments, exact=True)
    with pytest.raises(ValueError, match="exact"):
        risk_bound(*arguments, exact="yes")
