import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.sources import QueriedSource
from keras_reprogram.sources import inspect_source
from keras_reprogram.sources import top_answers


def source_of(function, **kwargs):
    return QueriedSource(function, (4,), 3, **kwargs)


def uniform(inputs):
    return np.full((len(inputs), 3), 1 / 3)


@pytest.mark.parametrize("from_logits", [True, False])
def test_a_source_says_whether_it_answers_in_logits(from_logits):
    source = source_of(uniform, from_logits=from_logits)
    assert inspect_source(source).from_logits is from_logits


def test_alike_inputs_of_a_batch_are_asked_about_once():
    asked = []

    def function(inputs):
        asked.append(inputs)
        return np.cumsum(inputs[:, :3], axis=1)

    source = source_of(function)
    inputs = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4]], "float32")
    answers = source.predict(inputs, verbose=0)
    np.testing.assert_array_equal(answers, [[1, 3, 6], [5, 11, 18], [1, 3, 6]])
    assert [len(batch) for batch in asked] == [2]
    assert (source.asked, source.remembered) == (2, 1)


def test_a_network_behind_the_function_keeps_no_gradients():
    layer = keras.layers.Dense(3)
    kept = []

    def function(inputs):
        outputs = layer(inputs)
        kept.append(getattr(outputs, "requires_grad", False))
        return ops.convert_to_numpy(outputs)

    source_of(function)(np.ones((2, 4), "float32"))
    assert kept == [False]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.zeros((2, 4)), "an answer of shape"),
        (np.zeros(2), "an answer of shape"),
        (np.full((2, 3), np.nan), "6 of 6 that are not"),
    ],
)
def test_a_wrong_answer_is_refused_and_not_remembered(answer, message):
    answers = [answer, np.ones((2, 3))]
    source = source_of(lambda inputs: answers.pop(0))
    inputs = np.eye(2, 4, dtype="float32")
    with pytest.raises(Exception, match=message):
        source.predict(inputs, verbose=0)
    assert source.asked == 0
    np.testing.assert_array_equal(source.predict(inputs, verbose=0), 1)


def test_a_label_alone_becomes_a_probability():
    probabilities = top_answers(lambda inputs: np.array([2, 0]), 3)
    np.testing.assert_allclose(
        probabilities(np.zeros((2, 4))),
        [[0.05, 0.05, 0.9], [0.9, 0.05, 0.05]],
        rtol=1e-6,
    )


def test_the_first_of_several_labels_has_the_most():
    probabilities = top_answers(lambda inputs: np.array([[2, 0]]), 4)
    np.testing.assert_allclose(
        probabilities(np.zeros((1, 4))), [[0.3, 0.05, 0.6, 0.05]], rtol=1e-6
    )


def test_given_probabilities_are_kept_and_the_rest_is_shared():
    probabilities = top_answers(
        lambda inputs: (np.array([[1, 3]]), np.array([[0.5, 0.3]])), 4
    )
    np.testing.assert_allclose(
        probabilities(np.zeros((1, 4))), [[0.1, 0.5, 0.1, 0.3]], rtol=1e-6
    )


def test_labels_that_are_no_classes_are_refused():
    with pytest.raises(ValueError, match="labels from 3 to 3"):
        top_answers(lambda inputs: np.array([3]), 3)(np.zeros((1, 4)))


@pytest.mark.parametrize(
    "arguments",
    [
        {"function": 3},
        {"num_classes": 0},
        {"input_shape": (0,)},
        {"max_batch": 0},
        {"from_logits": "no"},
    ],
)
def test_settings_that_are_not_valid_are_refused(arguments):
    given = {"function": uniform, "input_shape": (4,), "num_classes": 3}
    with pytest.raises(ValueError, match="Received:"):
        QueriedSource(**{**given, **arguments})
