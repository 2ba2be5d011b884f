"""Names of classes, and classes with their scores."""

import numpy as np
import pytest
from loopback import answering
from loopback import output
from loopback import reply

pytest.importorskip("requests")

from keras_reprogram.black_box import InferenceClient
from keras_reprogram.black_box import InferenceError
from keras_reprogram.black_box import probabilities_from_top_k
from keras_reprogram.black_box.inference_labels import integer_labels
from keras_reprogram.black_box.inference_labels import labels_by_name
from keras_reprogram.black_box.inference_labels import scored_labels

pytestmark = pytest.mark.numpy_alone


def strings(values):
    return np.array(values, dtype=object)


def test_names_become_labels():
    labels = labels_by_name(["cat", "dog", "élan"])
    found = integer_labels(strings([["élan"], ["cat"]]), labels)
    np.testing.assert_array_equal(found, [[2], [0]])
    assert found.dtype == "int64"
    assert labels_by_name(np.array(["a", "b"])) == {"a": 0, "b": 1}


def test_names_that_are_unknown_are_an_error():
    labels = labels_by_name(("cat", "dog"))
    with pytest.raises(InferenceError, match="2 of 3 .* 'cow'"):
        integer_labels(strings(["dog", "cow", "cow"]), labels)
    with pytest.raises(ValueError, match="pass `class_names`"):
        integer_labels(strings(["dog"]), None)


def test_scores_and_labels_are_read():
    answer = strings([["0.75:3:a:b", "-1e-2:0"], ["0.5:1:", "0:2:\n"]])
    labels, scores = scored_labels(answer)
    np.testing.assert_array_equal(labels, [[3, 0], [1, 2]])
    np.testing.assert_allclose(scores, [[0.75, -0.01], [0.5, 0]])
    assert (labels.dtype, scores.dtype) == ("int64", "float32")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cat",
        "0.5",
        "0.5:",
        ":3",
        "0.5:cat",
        "0.5:-1",
        "nan:1",
        "inf:1",
        "1e999:1",
        "1_0:1",
        "0.5:1.5",
        "0.5:" + "9" * 5000,
        "9" * 5000 + ":1",
        "0.5:²",
        "e:1",
    ],
)
def test_strings_that_are_no_scores_are_an_error(text):
    with pytest.raises(InferenceError, match="score:label"):
        scored_labels(strings([[text]]))


@pytest.mark.parametrize("answer", [np.zeros((2, 3)), strings(["0.5:1"])])
def test_answers_that_are_no_classification_are_an_error(answer):
    with pytest.raises(InferenceError, match="leave out `classification`"):
        scored_labels(answer)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("named", [1, 2])
def test_a_classification_is_what_top_answers_takes(count, named):
    given = ["0.6:1:dog", "0.3:2"][:named] * count
    content = reply(output(given, "BYTES", [count, named]))
    with answering(content) as server:
        client = InferenceClient(server.url, "m", classification=named)
        answers = probabilities_from_top_k(client, 4)(np.zeros((count, 2)))
    expected = [[0.05, 0.6, 0.3, 0.05], [0.4 / 3, 0.6, 0.4 / 3, 0.4 / 3]]
    expected = [expected[named == 1]] * count
    np.testing.assert_allclose(answers, expected, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_names_are_what_top_answers_takes(count):
    content = reply(output(["dog"] * count, "BYTES", [count, 1]))
    with answering(content) as server:
        client = InferenceClient(server.url, "m", class_names=["cat", "dog"])
        answers = probabilities_from_top_k(client, 2)(np.zeros((count, 2)))
    np.testing.assert_allclose(answers, [[0.1, 0.9]] * count, rtol=1e-5)


def test_a_classification_needs_the_name_of_an_output():
    metadata = {"inputs": [{"name": "x"}]}
    content = reply(output(["0.5:1"], "BYTES"))
    with answering(content, metadata=metadata) as server:
        with pytest.raises(ValueError, match="pass `output_name`"):
            InferenceClient(server.url, "m", classification=1)(np.zeros((1, 2)))
        labels, _ = InferenceClient(
            server.url, "m", classification=1, output_name="y"
        )(np.zeros((1, 2)))
    assert labels.tolist() == [[1]]
