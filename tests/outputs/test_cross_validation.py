import numpy as np
import pytest

from keras_reprogram.outputs import CrossValidation
from keras_reprogram.outputs.cross_validation import stratified_folds

pytestmark = pytest.mark.numpy_alone


def test_a_table_shows_means_and_standard_errors():
    found = CrossValidation(
        (0.1, 10.0),
        np.array([[0.5, 0.7, 0.6], [0.4, 0.6, 0.5]]),
        1,
        other_scores={"accuracy": np.array([[1.0, 1, 1], [0.5, 1, 0.75]])},
    )
    assert found.chosen == 10.0
    np.testing.assert_allclose(found.mean, [0.6, 0.5])
    np.testing.assert_allclose(found.spread, 0.1 / 3**0.5)
    lines = str(found).splitlines()
    assert "the regularization" in lines[0] and "3 folds" in lines[0]
    assert lines[1:] == [
        "| regularization | cross-entropy |      accuracy |        |",
        "| -------------: | ------------: | ------------: | :----- |",
        "|            0.1 | 0.600 ± 0.058 | 1.000 ± 0.000 |        |",
        "|             10 | 0.500 ± 0.058 | 0.750 ± 0.144 | chosen |",
    ]


@pytest.mark.parametrize("folds", [0, 1])
def test_fewer_than_two_folds_have_no_spread(folds):
    found = CrossValidation(("a", "b"), np.zeros((2, folds)), 0)
    assert np.isnan(found.spread).all() and "±" not in found.table()
    assert np.isnan(found.mean).all() == (folds == 0)
    assert len({len(line) for line in found.table().splitlines()}) == 1


def test_a_table_names_the_folds_of_a_candidate_that_lacks_some():
    scores = np.array([[0.5, 0.7, 0.6], [0.9, np.nan, np.nan]])
    table = CrossValidation(["a", "b"], scores, 0, "accuracy").table()
    assert "0.600 ± 0.058 " in table and "0.900 (1 of 3 folds)" in table


def test_every_class_is_spread_over_all_folds():
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.repeat(np.arange(4), [40, 20, 7, 2]))
    folds = stratified_folds(labels, 5)
    np.testing.assert_array_equal(np.sort(np.concatenate(folds)), np.arange(69))
    assert {len(fold) for fold in folds} == {13, 14}
    counts = np.stack(
        [np.bincount(labels[fold], minlength=4) for fold in folds]
    )
    assert (np.ptp(counts, axis=0) <= 1).all()


def test_a_part_of_the_samples_keeps_the_shares_of_classes():
    labels = np.repeat([0, 1], [900, 100])
    folds = stratified_folds(labels, 5, most_samples=50)
    counts = np.stack([np.bincount(labels[fold]) for fold in folds])
    np.testing.assert_array_equal(counts, [[9, 1]] * 5)


def test_binary_targets_are_spread_by_their_rarest_label():
    generator = np.random.default_rng(0)
    labels = (generator.random((50, 2)) < [0.6, 0.2]).astype("float64")
    labels[3] = np.nan
    rare = np.flatnonzero(labels[:, 1] == 1)
    counts = [np.isin(fold, rare).sum() for fold in stratified_folds(labels, 5)]
    assert max(counts) - min(counts) <= 1


def test_there_are_no_more_folds_than_samples():
    assert [len(fold) for fold in stratified_folds(np.arange(3), 5)] == [1] * 3
    assert stratified_folds(np.zeros(0, int), 5) == []
