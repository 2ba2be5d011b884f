import numpy as np
import pytest

from keras_reprogram.metrics import scores_by_class

pytestmark = pytest.mark.numpy_alone

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.choice(3, 60, p=[0.7, 0.2, 0.1])
LOGITS = GENERATOR.normal(size=(60, 3)) + np.eye(3)[LABELS]
WEIGHTS = GENERATOR.exponential(size=60)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_scores_of_classes_are_scikit_learns(weights):
    metrics = pytest.importorskip("sklearn.metrics")
    predicted = LOGITS.argmax(axis=1)
    expected = metrics.precision_recall_fscore_support(
        LABELS, predicted, sample_weight=weights
    )
    for labels in (LABELS, LABELS[:, None], np.eye(3)[LABELS]):
        found = scores_by_class(labels, LOGITS, sample_weight=weights)
        for one, other in zip(
            (found.precision, found.recall, found.f1, found.support), expected
        ):
            np.testing.assert_allclose(one, other)
    assert found.accuracy == pytest.approx(
        metrics.accuracy_score(LABELS, predicted, sample_weight=weights)
    )
    assert found.balanced_accuracy == pytest.approx(
        metrics.balanced_accuracy_score(
            LABELS, predicted, sample_weight=weights
        )
    )
    assert found.macro_f1 == pytest.approx(expected[2].mean())


def test_scores_of_binary_targets_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    labels = (GENERATOR.random((60, 2)) < 0.3).astype("float64")
    labels[::7, 0] = np.nan
    found = scores_by_class(
        labels, LOGITS[:, :2], multi_label=True, threshold=[0.0, 1.0]
    )
    balanced = []
    for target, threshold in enumerate([0.0, 1.0]):
        known = ~np.isnan(labels[:, target])
        arguments = labels[known, target], LOGITS[known, target] > threshold
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            *arguments, average="binary"
        )
        assert found.precision[target] == pytest.approx(precision)
        assert found.recall[target] == pytest.approx(recall)
        assert found.f1[target] == pytest.approx(f1)
        balanced.append(metrics.balanced_accuracy_score(*arguments))
    assert found.balanced_accuracy == pytest.approx(np.mean(balanced))
    correct = (LOGITS[:, :2] > [0.0, 1.0]) == (labels == 1)
    assert found.accuracy == pytest.approx(correct[~np.isnan(labels)].mean())


def test_unknown_labels_are_left_out():
    known = np.arange(60) % 4 > 0
    expected = scores_by_class(LABELS[known], LOGITS[known])
    for labels in (
        np.where(known, LABELS, -1),
        np.where(known, LABELS, np.nan),
        np.where(known[:, None], np.eye(3)[LABELS], 0),
    ):
        found = scores_by_class(labels, LOGITS)
        np.testing.assert_array_equal(found.support, expected.support)
        np.testing.assert_array_equal(found.f1, expected.f1)


def test_a_table_names_classes_and_leaves_out_what_is_not_defined():
    y = np.array([0, 0, 0, 1])
    predictions = np.eye(3)[[0, 0, 1, 1]]
    found = scores_by_class(y, predictions, names=["many", "rare", "absent"])
    assert str(found).splitlines() == [
        "| samples | recall | precision |    F1 | class  |",
        "| ------: | -----: | --------: | ----: | :----- |",
        "|       3 |  0.667 |     1.000 | 0.800 | many   |",
        "|       1 |  1.000 |     0.500 | 0.667 | rare   |",
        "|       0 |        |           |       | absent |",
        "|       4 |  0.833 |     0.750 | 0.733 | mean   |",
        "Accuracy 0.750, balanced accuracy 0.833",
    ]


def test_a_threshold_moves_the_border_of_two_classes():
    margins = np.array([-1.0, 0.5, 2.0])
    predictions = np.stack([np.zeros(3), margins], axis=1)
    found = scores_by_class(np.array([0, 0, 1]), predictions, threshold=1.0)
    assert found.accuracy == 1.0


@pytest.mark.parametrize(
    "arguments, settings, message",
    [
        ((LABELS, LOGITS[:, 0]), {}, r"\(samples, ..., classes\)"),
        ((LABELS, LOGITS * np.nan), {}, "finite"),
        ((LABELS[:5], LOGITS), {}, "one class for each row"),
        ((LABELS + 1, LOGITS), {}, "labels from 1 to 3"),
        ((LABELS, LOGITS), {"names": ["a"]}, "1 names"),
        ((LABELS, LOGITS), {"threshold": 0.5}, "between two classes"),
        ((LABELS * 0 - 1, LOGITS), {}, "at least one known label"),
        ((LABELS, LOGITS), {"multi_label": True}, "0 or 1 for each"),
        (
            (np.eye(3)[LABELS], LOGITS),
            {"multi_label": True},
            "above a threshold",
        ),
        (
            (np.eye(3)[LABELS], LOGITS),
            {"multi_label": True, "threshold": [0.0, 0.0]},
            "one for each of 3",
        ),
        ((LABELS, LOGITS), {"sample_weight": -WEIGHTS}, "at least 0"),
    ],
)
def test_what_does_not_go_together_is_a_value_error(
    arguments, settings, message
):
    with pytest.raises(ValueError, match=message) as error:
        scores_by_class(*arguments, **settings)
    assert "Received: " in str(error.value)
