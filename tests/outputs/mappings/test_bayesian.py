import numpy as np
import pytest
from label_maps import GOLDEN_COUNTS
from label_maps import bayesian
from label_maps import sums_of


def test_bayesian_matches_golden(golden_logits):
    matrix = bayesian(GOLDEN_COUNTS, smoothing=1.0)
    expected = [
        [0.2, 0.277778, 0],
        [0.2, 0, 0.357143],
        [0.3, 0, 0],
        [0, 0.555556, 0],
        [0.3, 0, 0],
        [0, 0.166667, 0.642857],
    ]
    np.testing.assert_allclose(matrix, expected, atol=1e-6)
    np.testing.assert_allclose(
        golden_logits[0] @ matrix, [-0.246298, 0.52634, -0.889402], atol=1e-6
    )


def test_bayesian_plus_matches_golden(golden_logits, golden_labels):
    sums = sums_of(golden_logits, golden_labels, 3, k=2)
    matrix = bayesian(sums)
    np.testing.assert_allclose(
        matrix[[0, 5]],
        [[0.183864, 0.227964, 0.105729], [0, 0.157499, 0.501011]],
        atol=1e-6,
    )


def test_fifteen_percent_of_few_classes_count_as_one(
    golden_logits, golden_labels
):
    default = sums_of(golden_logits, golden_labels, 3)
    one = sums_of(golden_logits, golden_labels, 3, k=1)
    np.testing.assert_array_equal(default, one)


def test_no_more_classes_count_than_the_source_has(
    golden_logits, golden_labels
):
    every = sums_of(golden_logits, golden_labels, 3, k=100)
    np.testing.assert_allclose(every.sum(), len(golden_labels), rtol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: bayesian(np.full((4, 3), np.nan)),
        lambda: bayesian(np.ones((3, 3)), smoothing=-1),
        lambda: bayesian(-np.ones((3, 3))),
    ],
)
def test_bad_sums_and_smoothing_are_a_value_error(call):
    with pytest.raises(ValueError, match="Received: "):
        call()
