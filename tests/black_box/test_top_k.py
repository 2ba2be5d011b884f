"""Labels and scores of top classes in every form, as probabilities."""

import numpy as np
import pytest
from keras import ops

from keras_reprogram.black_box import probabilities_from_top_k

PROBABILITIES = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])


def test_a_label_alone_becomes_a_probability():
    probabilities = probabilities_from_top_k(lambda inputs: np.array([2, 0]), 3)
    np.testing.assert_allclose(
        probabilities(np.zeros((2, 4))),
        [[0.05, 0.05, 0.9], [0.9, 0.05, 0.05]],
        rtol=1e-6,
    )


def test_the_first_of_several_labels_has_the_most():
    probabilities = probabilities_from_top_k(
        lambda inputs: np.array([[2, 0]]), 4
    )
    np.testing.assert_allclose(
        probabilities(np.zeros((1, 4))), [[0.3, 0.05, 0.6, 0.05]], rtol=1e-6
    )


def test_given_probabilities_are_kept_and_the_rest_is_shared():
    probabilities = probabilities_from_top_k(
        lambda inputs: (np.array([[1, 3]]), np.array([[0.5, 0.3]])), 4
    )
    np.testing.assert_allclose(
        probabilities(np.zeros((1, 4))), [[0.1, 0.5, 0.1, 0.3]], rtol=1e-6
    )


def test_labels_that_are_no_classes_are_refused():
    with pytest.raises(ValueError, match="labels from 3 to 3"):
        probabilities_from_top_k(lambda inputs: np.array([3]), 3)(
            np.zeros((1, 4))
        )


def named(answer, num_classes=3, count=2):
    return probabilities_from_top_k(lambda inputs: answer, num_classes)(
        np.zeros((count, 4))
    )


LABELS, SCORES = np.array([[2, 0], [1, 2]]), np.array([[0.7, 0.2], [0.6, 0.3]])
SAME = {
    "tuple": (LABELS, SCORES),
    "list": [LABELS, SCORES],
    "lists": [LABELS.tolist(), SCORES.tolist()],
    "labels_in_floats": (LABELS.astype("float32"), SCORES),
    "stacked": np.stack([LABELS, SCORES]),
    "pairs": [[(2, 0.7), (0, 0.2)], [(1, 0.6), (2, 0.3)]],
    "pairs_as_lists": [[[2, 0.7], [0, 0.2]], [[1, 0.6], [2, 0.3]]],
    "pairs_in_an_array": np.stack([LABELS, SCORES], axis=-1),
    "dicts": [{2: 0.7, 0: 0.2}, {1: 0.6, 2: 0.3}],
    "tensors": lambda: tuple(
        ops.convert_to_tensor(each) for each in (LABELS, SCORES)
    ),
    "masked": (np.ma.masked_array(LABELS), SCORES),
}


@pytest.mark.parametrize("form", SAME)
def test_labels_and_scores_are_read_in_every_form(form):
    answer = SAME[form]() if callable(SAME[form]) else SAME[form]
    np.testing.assert_allclose(
        named(answer), [[0.2, 0.1, 0.7], [0.1, 0.6, 0.3]], rtol=1e-5
    )


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("top", [1, 2, 3])
def test_pairs_and_labels_with_scores_agree_at_every_size(count, top):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 5, (count, top))
    scores = generator.uniform(0.01, 1 / top, (count, top))
    pairs = np.stack([labels, scores], axis=-1)
    expected = named((labels, scores), 5, count)
    lists = labels.tolist(), scores.tolist()
    for answer in (
        list(lists),
        pairs,
        pairs.tolist(),
        [[(int(a), b) for a, b in row] for row in pairs],
    ):
        np.testing.assert_allclose(named(answer, 5, count), expected, rtol=1e-6)


def test_one_pair_for_each_input_needs_no_list():
    answer = [(2, 0.8), (0, 0.6)]
    np.testing.assert_allclose(
        named(answer), [[0.1, 0.1, 0.8], [0.6, 0.2, 0.2]], rtol=1e-6
    )


def test_no_inputs_have_no_rows():
    for answer in ([], np.zeros((0, 2), int), ([], [])):
        assert named(answer, count=0).shape == (0, 3)


def test_two_rows_of_integers_for_two_inputs_are_labels():
    expected = named(np.array([[2, 0], [1, 0]]), 4)
    np.testing.assert_array_equal(named([[2, 0], [1, 0]], 4), expected)
    rows = [np.array([2, 0]), np.array([1, 0])]
    np.testing.assert_array_equal(named(rows, 4), expected)


def test_as_many_classes_are_named_as_there_are():
    np.testing.assert_allclose(
        named([[(2, 0.7)], [(1, 0.5), (0, 0.25)]], 3),
        [[0.15, 0.15, 0.7], [0.25, 0.5, 0.25]],
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        named([[1], []], 4), [[0.1 / 3, 0.9, 0.1 / 3, 0.1 / 3], [0.25] * 4]
    )


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        ([[2, 2]], [[0.5, 0.25]], [0.125, 0.125, 0.75]),
        ([[2, 2]], None, [0.05, 0.05, 0.9]),
        ([[2, 0, 1]], [[0.4, 0.2, 0.2]], [0.25, 0.25, 0.5]),
        ([[2, 0, 1]], [[0.0, 0.0, 0.0]], [1 / 3] * 3),
        ([[2, 0, 1]], None, [3 / 11, 2 / 11, 6 / 11]),
        ([[2, 0, 1, 2]], None, [6 / 25, 4 / 25, 15 / 25]),
        ([[2, 1]], [[0.75, 0.255]], [0.0, 0.255 / 1.005, 0.75 / 1.005]),
    ],
)
def test_rows_sum_to_one_whatever_is_named(labels, scores, expected):
    answer = np.array(labels) if scores is None else (labels, scores)
    np.testing.assert_allclose(
        named(answer, count=1), [expected], rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (PROBABILITIES, "needs no `probabilities_from_top_k`"),
        (PROBABILITIES.tolist(), "needs no `probabilities_from_top_k`"),
        ([[0, 1, 0], [1, 0, 0]], "needs no `probabilities_from_top_k`"),
        (PROBABILITIES > 0.5, "needs no `probabilities_from_top_k`"),
        ((SCORES, LABELS), "come before their scores"),
        ([SCORES, LABELS], "come before their scores"),
        ((LABELS, PROBABILITIES), "needs no `probabilities_from_top_k`"),
        ((LABELS, 100 * SCORES), "divide percent by 100"),
        ((LABELS, 2 * SCORES), "divide percent by 100"),
        ((LABELS, np.log(SCORES)), "divide percent by 100"),
        ((LABELS, np.full((2, 2), np.nan)), "divide percent by 100"),
        ((LABELS, [[1, 0], [2, 1]]), "divide percent by 100"),
        ((LABELS, SCORES[:1]), "One row is expected for each of 2"),
        ((LABELS, SCORES[:, :1]), "1 scores of 2 labels"),
        ((LABELS, SCORES, SCORES), "One row is expected"),
        (LABELS[:1], "One row is expected"),
        (np.array(2), "One row is expected"),
        ([np.nan, 1.0], "must be integers"),
        ([0.5, 1.0], "must be integers"),
        ([-1, 1], "labels from -1 to 1"),
        ([["cat", 0.7], ["dog", 0.3]], "real numbers"),
        ([[("cat", 0.7)], [("dog", 0.3)]], "real numbers"),
        ([[(0.7, 2)], [(0.3, 1)]], "must be integers"),
        ([{"label": 2, "score": 0.7}] * 2, "real numbers"),
        ({"labels": LABELS, "scores": SCORES}, r"return `\(labels, scores\)`"),
        ([[], []], "At least one class"),
        (np.zeros((2, 1, 2, 2), int), "must be of shape"),
        (None, "real numbers"),
    ],
)
def test_what_names_no_classes_is_refused(answer, message):
    with pytest.raises(ValueError, match=f"(?s)(?=.*Received: ).*{message}"):
        named(answer)


# === The cache file ===
