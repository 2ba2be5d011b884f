import numpy as np
import pytest

from keras_reprogram.metrics import best_threshold
from keras_reprogram.metrics import scores_by_class

pytestmark = pytest.mark.numpy_alone


def problem(seed, samples=25):
    generator = np.random.default_rng(seed)
    labels = (generator.random(samples) < 0.3).astype("int64")
    labels[:2] = 0, 1
    # Rounded: some predictions are equal.
    margins = np.round(labels + generator.normal(size=samples), 1)
    predictions = np.stack([np.zeros(samples), margins], axis=1)
    return labels, predictions, generator.exponential(size=samples)


def score_of(labels, predictions, threshold, score, weights=None):
    found = scores_by_class(
        labels, predictions, threshold=threshold, sample_weight=weights
    )
    return found.f1[1] if score == "f1" else found.balanced_accuracy


@pytest.mark.parametrize("score", ["balanced_accuracy", "f1"])
@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_is_better(score, seed):
    labels, predictions, weights = problem(seed)
    for sign in (1, -1):  # predictions that are worse than none, too
        signed = sign * predictions
        found = best_threshold(
            labels, signed, score=score, sample_weight=weights
        )
        best = score_of(labels, signed, found, score, weights)
        for threshold in np.linspace(-5, 5, 201):
            other = score_of(labels, signed, threshold, score, weights)
            assert best >= other - 1e-12


def test_binary_targets_have_a_threshold_each():
    labels, predictions, _ = zip(*map(problem, range(3)))
    y = np.stack(labels, axis=1).astype("float64")
    y[5, 1] = np.nan
    columns = np.stack([one[:, 1] for one in predictions], axis=1)
    found = best_threshold(y, columns, multi_label=True)
    expected = [
        best_threshold(labels[0], predictions[0]),
        best_threshold(
            np.delete(labels[1], 5), np.delete(predictions[1], 5, axis=0)
        ),
        best_threshold(labels[2], predictions[2]),
    ]
    np.testing.assert_array_equal(found, expected)


def test_a_threshold_lies_between_predictions_that_are_close():
    low = np.float32(0.1)
    high = np.nextafter(low, np.float32(1))
    predictions = np.array([[0, low], [0, high]], "float32")
    found = best_threshold(np.array([0, 1]), predictions)
    assert (predictions[:, 1] > found).tolist() == [False, True]


def test_equal_predictions_are_all_ones_or_none():
    found = best_threshold(np.array([0, 1]), np.zeros((2, 2)), score="f1")
    assert 0.0 > found


@pytest.mark.parametrize(
    "y, predictions, settings, message",
    [
        ([0, 0], np.zeros((2, 2)), {}, "labels of one kind"),
        ([0, -1], np.zeros((2, 2)), {}, "one kind"),
        ([0, 1, 2], np.zeros((3, 3)), {}, "3 classes"),
        ([0, 1], np.zeros((2, 2)), {"score": "accuracy"}, "must be one of"),
        ([[0], [np.nan]], np.zeros((2, 1)), {"multi_label": True}, "target 0"),
        ([0, 1], np.zeros((2, 2)), {"sample_weight": [0, 1]}, "one kind"),
    ],
)
def test_what_does_not_decide_is_a_value_error(
    y, predictions, settings, message
):
    with pytest.raises(ValueError, match=message) as error:
        best_threshold(np.array(y), predictions, **settings)
    assert "Received: " in str(error.value)
