import dataclasses

import numpy as np
import pytest

from keras_reprogram.selection.labeled import groups_of
from keras_reprogram.selection.labeled import labeled_samples

pytestmark = pytest.mark.numpy_alone


def labeled(labels, **changes):
    given = {
        "num_classes": None,
        "class_weight": None,
        "sample_weight": None,
        "groups": None,
        "num_folds": 5,
        "seed": 0,
        **changes,
    }
    return labeled_samples(np.asarray(labels), **given)


@pytest.mark.parametrize(
    "labels",
    [[0, 2, 1, 2], [[0], [2], [1], [2]], np.eye(3)[[0, 2, 1, 2]]],
)
def test_labels_of_any_form_become_integers(labels):
    found = labeled(labels)
    assert found.num_classes == 3
    np.testing.assert_array_equal(found.labels, [0, 2, 1, 2])


@pytest.mark.parametrize(
    "labels",
    [
        [[1, 1, 0], [0, 1, 1], [1, 0, 0]],
        [[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]],
        [[1.0, 0.0], [np.nan, np.nan], [0.0, 1.0]],
        [[1, 0], [0, 0], [0, 1]],
    ],
)
def test_rows_without_a_single_class_are_a_value_error(labels):
    with pytest.raises(ValueError, match=r"y\.argmax\(axis=1\)"):
        labeled(labels)


@pytest.mark.parametrize("labels", [["cat", "dog"], [100_000, 200_000]])
def test_labels_that_are_no_small_integers_are_told_how_to_be(labels):
    with pytest.raises(ValueError, match="return_inverse"):
        labeled(labels * 2)


@pytest.mark.parametrize(
    "labels, change, missing",
    [
        ([1, 2, 1, 2], {}, r"\[0\]"),
        ([0, 1, 0, 1], {"num_classes": 4}, r"\[2, 3\]"),
        (
            [0, 1, 2, 0, 1],
            {"sample_weight": np.array([1, 1, 0, 1, 1])},
            r"\[2\]",
        ),
    ],
)
def test_classes_without_a_sample_are_warned_of(labels, change, missing):
    with pytest.warns(UserWarning, match=f"no sample of classes {missing}"):
        labeled(labels, **change)


def test_balanced_weights_make_the_measure_the_balanced_accuracy():
    labels = np.repeat([0, 1], [9, 3])
    found = labeled(labels, class_weight="balanced")
    # Nine right samples of class 0 and one of three of class 1.
    scores = np.tile([1.0, 0.0], (12, 1))
    scores[-1] = [0, 1]
    assert np.isclose(found.measure(scores), (1 + 1 / 3) / 2)
    assert np.isclose(labeled(labels).measure(scores), 10 / 12)


def test_weights_of_classes_and_samples_multiply():
    found = labeled(
        [0, 0, 1, 1],
        class_weight={1: 3.0},
        sample_weight=np.array([1.0, 2.0, 1.0, 2.0]),
    )
    np.testing.assert_allclose(found.weights * 12 / 4, [1, 2, 3, 6])


def test_copies_follow_the_samples_one_after_the_other():
    found = dataclasses.replace(labeled([0, 1, 0, 1]), copies=3)
    np.testing.assert_array_equal(
        found.rows_of(np.array([0, 3])), [0, 3, 4, 7, 8, 11]
    )
    assert not found.has_groups


def test_folds_leave_no_sample_out_and_share_none():
    found = labeled(np.arange(23) % 3)
    np.testing.assert_array_equal(
        np.sort(np.concatenate(found.folds)), np.arange(23)
    )
    for fold in found.folds:
        assert not set(found.without(fold)) & set(fold)


def test_groups_of_one_class_each_make_folds_of_even_sizes():
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 7, size=20)
    groups = np.repeat(np.arange(20), sizes)
    labels = np.repeat(np.arange(20) % 8, sizes)
    found = labeled(labels, groups=groups)
    counts = [len(fold) for fold in found.folds]
    assert max(counts) - min(counts) <= 3


def test_samples_of_a_group_are_in_one_fold():
    groups = np.arange(40) // 4
    found = labeled(np.arange(40) % 2, groups=groups)
    assert len(found.folds) == 5
    for fold in found.folds:
        assert not set(groups[fold]) & set(groups[found.without(fold)])


@pytest.mark.parametrize(
    ("labels", "changes", "message"),
    [
        ([0.5, 1.0], {}, "integers"),
        (["a", "b"], {}, "return_inverse"),
        ([0, 0, 0], {}, "two classes"),
        ([0, 1, 5], {"num_classes": 3}, "0 to 2"),
        ([0, 1, -1], {}, "integers from 0"),
        ([0, 1], {"class_weight": "equal"}, "class_weight"),
        ([0, 1], {"sample_weight": np.ones(3)}, "sample_weight"),
        ([0, 1], {"sample_weight": np.zeros(2)}, "must have a weight"),
        ([0, 1], {"groups": np.zeros(2)}, "two groups"),
        ([0, 1], {"groups": np.zeros(3)}, "one group for each sample"),
    ],
)
def test_labels_that_cannot_be_compared_are_a_value_error(
    labels, changes, message
):
    with pytest.raises(ValueError, match=message):
        labeled(labels, **changes)


def test_samples_without_a_weight_are_in_no_fold():
    weights = np.repeat([1.0, 0.0], [4, 20])
    found = labeled(np.arange(24) % 2, sample_weight=weights, num_folds=4)
    assert sorted(np.concatenate(found.folds)) == [0, 1, 2, 3]
    assert np.isfinite(found.measures(np.zeros((24, 2)))).all()


def test_a_class_that_is_in_one_fold_alone_is_warned_of():
    labels = (np.arange(12) == 3).astype("int64")
    with pytest.warns(UserWarning, match=r"classes \[1\]"):
        labeled(labels)
    with pytest.warns(UserWarning, match=r"classes \[0, 1\]"):
        labeled(np.arange(12) % 2, groups=np.arange(12) % 2)


@pytest.mark.parametrize(
    ("labels", "change", "message"),
    [
        ([0, 1], {"num_classes": "2"}, "num_classes"),
        ([-1, 0], {}, "label of -1"),
        ([0, 0], {"num_classes": 2}, "one class"),
        ([1, 1], {}, "one class"),
        ([0, 1, 1], {"class_weight": {0: 0.0}}, "one class"),
        ([0, 1], {"class_weight": np.ones(2)}, "class_weight"),
        ([0, 1, 1], {"groups": np.array(["a", None, "b"])}, "1 missing"),
        ([0, 1, 1], {"groups": np.array([0.0, np.nan, 1.0])}, "1 missing"),
        ([0, 1, 1], {"groups": np.zeros(2)}, "one group for each"),
        ([0, 1], {"seed": 1.5}, "seed"),
        ([0, 1], {"seed": -1}, "seed"),
    ],
)
def test_what_has_no_folds_is_a_value_error(labels, change, message):
    with pytest.raises(ValueError, match=message):
        labeled(labels, **change)


def test_nan_among_strings_is_a_missing_group():
    groups = groups_of(["a", float("nan"), "b", "a"])
    with pytest.raises(ValueError, match="1 missing"):
        labeled([0, 1, 0, 1], groups=groups)


def test_a_missing_value_of_pandas_is_a_missing_group():
    pandas = pytest.importorskip("pandas")
    groups = pandas.array(["a", pandas.NA, "b", "a"], dtype="string")
    with pytest.raises(ValueError, match="1 missing"):
        labeled([0, 1, 0, 1], groups=groups_of(groups))


def test_groups_of_numbers_and_strings_are_groups():
    groups = np.array([1, "a", 1, "a"] * 2, dtype=object)
    found = labeled([0, 0, 1, 1] * 2, groups=groups, num_folds=2)
    assert len(found.folds) == 2


def test_groups_leave_the_folds_of_settings_stratified():
    labels = np.arange(40) % 2
    found = labeled(labels, groups=np.arange(40) // 4)
    assert found.has_groups and not labeled(labels).has_groups
    for fold, expected in zip(found.stratified, labeled(labels).folds):
        np.testing.assert_array_equal(fold, expected)


def test_samples_whose_class_is_in_one_fold_are_of_no_known_class():
    labels = np.array([0, 0, 1, 1, 0, 0, 2, 2])
    groups = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    with pytest.warns(UserWarning, match="classes \\[1, 2\\] in one fold"):
        found = labeled(labels, groups=groups, num_folds=2)
    np.testing.assert_array_equal(np.sort(found.of_known_classes), [0, 1, 4, 5])
    # Without a class that is in both folds, every sample counts.
    weights = np.array([1.0, 1, 1, 1, 0, 0, 1, 1])
    with pytest.warns(UserWarning):
        found = labeled(
            labels, groups=groups, num_folds=2, sample_weight=weights
        )
    assert len(found.of_known_classes) == 6
