import contextlib
import hashlib
import sqlite3
import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.black_box import QueriedSource
from keras_reprogram.sources import inspect_source
from keras_reprogram.sources.inspection import final_activation


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

    source = source_of(function, from_logits=True)
    inputs = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4]], "float32")
    answers = source.predict(inputs, verbose=0)
    np.testing.assert_array_equal(answers, [[1, 3, 6], [5, 11, 18], [1, 3, 6]])
    assert [len(batch) for batch in asked] == [2]
    assert (source.num_queries, source.num_cache_hits) == (2, 1)


def test_a_network_behind_the_function_keeps_no_gradients():
    layer = keras.layers.Dense(3)
    kept = []

    def function(inputs):
        outputs = layer(inputs)
        kept.append(getattr(outputs, "requires_grad", False))
        return ops.convert_to_numpy(outputs)

    source_of(function, from_logits=True)(np.ones((2, 4), "float32"))
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
    source = source_of(lambda inputs: answers.pop(0), from_logits=True)
    inputs = np.eye(2, 4, dtype="float32")
    with pytest.raises(Exception, match=message):
        source.predict(inputs, verbose=0)
    assert source.num_queries == 0
    np.testing.assert_array_equal(source.predict(inputs, verbose=0), 1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"function": 3},
        {"num_classes": 0},
        {"input_shape": (0,)},
        {"batch_size": 0},
        {"from_logits": "no"},
        {"activation": "relu"},
        {"activation": 3},
        {"from_logits": True, "activation": "sigmoid"},
        {"num_classes": 1, "activation": "softmax"},
        {"cache": None},
        {"cache": "no/such/folder/answers"},
    ],
)
def test_settings_that_are_not_valid_are_refused(arguments):
    given = {"function": uniform, "input_shape": (4,), "num_classes": 3}
    with pytest.raises(ValueError, match="Received:"):
        QueriedSource(**{**given, **arguments})


# === What made the answers ===


@pytest.mark.parametrize(
    ("num_classes", "arguments", "activation"),
    [
        (3, {}, "softmax"),
        (1, {}, "sigmoid"),
        (1, {"from_logits": True}, "linear"),
        (3, {"from_logits": True, "activation": "linear"}, "linear"),
        (3, {"activation": "linear"}, "linear"),
        (3, {"activation": "sigmoid"}, "sigmoid"),
        (3, {"activation": keras.activations.softmax}, "softmax"),
    ],
)
def test_a_source_declares_its_last_activation(
    num_classes, arguments, activation
):
    source = QueriedSource(uniform, (4,), num_classes, **arguments)
    assert source.query.activation.__name__ == activation
    assert final_activation(source) == activation
    assert inspect_source(source).from_logits is (activation == "linear")


PROBABILITIES = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])


def answered(answer, **kwargs):
    return source_of(lambda inputs: answer, **kwargs).query.evaluate(
        np.eye(2, 4, dtype="float32")
    )


@pytest.mark.parametrize(
    ("activation", "answer"),
    [
        ("softmax", np.log(PROBABILITIES)),
        ("softmax", 100 * PROBABILITIES),
        ("softmax", (100 * PROBABILITIES).astype("uint8")),
        ("softmax", PROBABILITIES - [[0.2, 0, 0], [0, 0, 0]]),
        ("softmax", [[0.9, 0.8, 0.7], [0.1, 0.2, 0.7]]),
        ("softmax", np.zeros((2, 3))),
        ("softmax", [[0.1, 0.2, 0.7], [0.6, 0.3, -0.1]]),
        ("sigmoid", 100 * PROBABILITIES),
        ("sigmoid", np.log(PROBABILITIES)),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(activation, answer):
    message = "from_logits=True.*percent.*Received: values from"
    with pytest.raises(ValueError, match=message):
        answered(answer, activation=activation)


@pytest.mark.parametrize(
    ("activation", "answer"),
    [
        ("softmax", PROBABILITIES + 5e-4),
        ("softmax", PROBABILITIES.astype("float16")),
        ("softmax", np.round(PROBABILITIES, 1)),
        ("softmax", [[0, 1, 0], [1, 0, 0]]),
        ("sigmoid", [[0.9, 0.8, 0.7], [0.0, 0.0, 1.0]]),
        ("linear", 100 * PROBABILITIES),
        ("linear", [[1e-3, 2e-3, 3e-3], [0, 0, 0]]),
    ],
)
def test_answers_of_the_declared_kind_are_kept(activation, answer):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = answered(answer, activation=activation)
    np.testing.assert_allclose(found, answer, rtol=1e-6)


def test_a_single_probability_is_checked_as_one():
    source = QueriedSource(lambda inputs: 2.0 * inputs, (1,), 1)
    np.testing.assert_array_equal(
        source.query.evaluate(np.array([[0.25], [0.5]])), [[0.5], [1.0]]
    )
    with pytest.raises(ValueError, match="from_logits=True"):
        source.query.evaluate(np.array([[1.0]]))


def test_logits_that_look_like_probabilities_are_warned_of_once():
    source = source_of(lambda inputs: PROBABILITIES, from_logits=True)
    with pytest.warns(UserWarning, match="leave out `from_logits=True`") as all:
        source.query.evaluate(np.eye(2, 4))
        source.query.evaluate(2 * np.eye(2, 4))
    assert len(all) == 1


class Tensor:
    """A tensor of bfloat16 on its way to the numbers, as PyTorch has it."""

    def __init__(self, values):
        self.values = values

    def detach(self):
        return self

    cpu = detach

    def is_floating_point(self):
        return True

    def double(self):
        return self.values


FORMS = {
    "dict": lambda values: {"probabilities": values},
    "list": lambda values: [values],
    "lists": lambda values: values.tolist(),
    "tensor": lambda values: ops.convert_to_tensor(values),
    "bfloat16": lambda values: ops.cast(values, "bfloat16"),
    "detached": Tensor,
    "rows": lambda values: [ops.convert_to_tensor(row) for row in values],
    "masked": lambda values: np.ma.masked_array(values),
    "frame": lambda values: pytest.importorskip("pandas").DataFrame(values),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_may_be_anything_that_holds_one_array(form):
    np.testing.assert_allclose(
        answered(FORMS[form](PROBABILITIES)), PROBABILITIES, rtol=4e-3
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"a": PROBABILITIES, "b": PROBABILITIES},
        [PROBABILITIES, PROBABILITIES],
        PROBABILITIES.astype(object),
        PROBABILITIES.astype(str),
        PROBABILITIES.astype(complex),
        [[0.1, 0.2, 0.7], [0.5]],
        None,
        np.ma.masked_array(PROBABILITIES, PROBABILITIES > 0.5),
        np.full((2, 3), 1e300),
    ],
)
def test_an_answer_that_is_no_array_of_numbers_is_refused(answer):
    with pytest.raises(ValueError, match="Received: "):
        answered(answer)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_function_is_not_asked_about_inputs_that_are_not_finite(value):
    source = source_of(uniform)
    with pytest.raises(ValueError, match="inputs.*1 of 8 that are not"):
        source(np.array([[0, 0, 0, value], [0, 0, 0, 0]], "float32"))
    assert source.num_queries == 0


# === A few classes ===


def shifted(inputs):
    """A source, and with a second argument another one."""
    return np.roll(inputs[:, :3], 1, axis=1) / inputs[:, :3].sum(1)[:, None]


def stretched(inputs):
    return np.roll(shifted(inputs), 1, axis=1)


ROWS = np.array([[1, 2, 3, 4], [4, 3, 2, 1]], "float32")


@pytest.fixture
def cache(tmp_path):
    path = tmp_path / "answers"
    source_of(shifted, cache=path).query.evaluate(ROWS)
    return path


def test_a_file_of_the_same_source_is_asked_about_once_more(cache):
    asked = []

    def function(inputs):
        asked.append(inputs)
        return shifted(inputs) * (1 + 1e-4)

    again = source_of(function, cache=cache)
    np.testing.assert_array_equal(again.query.evaluate(ROWS), shifted(ROWS))
    again.query.evaluate(ROWS)
    np.testing.assert_array_equal(asked, [ROWS[:1]])
    assert (again.num_queries, again.num_cache_hits) == (0, 4)


def test_a_file_of_another_source_is_refused(cache):
    other = source_of(stretched, cache=cache)
    for _ in range(2):
        with pytest.raises(ValueError, match="another source.*another `cache`"):
            other.query.evaluate(ROWS[1:])
    assert other.num_queries == 0


def test_a_source_whose_answers_differ_is_warned_of(cache):
    generator = np.random.default_rng(0)
    noisy = source_of(
        lambda inputs: generator.dirichlet(np.ones(3), len(inputs)),
        cache=cache,
    )
    with pytest.warns(UserWarning, match="different answers"):
        noisy.query.evaluate(ROWS)
    assert (noisy.num_queries, noisy.num_cache_hits) == (0, 2)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_classes": 4},
        {"input_shape": (2, 2)},
        {"from_logits": True},
        {"activation": "sigmoid"},
    ],
)
def test_a_file_of_other_arguments_is_refused_at_once(cache, arguments):
    given = {"input_shape": (4,), "num_classes": 3, "cache": cache}
    with pytest.raises(ValueError, match="another `cache`.*Received: "):
        QueriedSource(shifted, **{**given, **arguments})
    QueriedSource(shifted, **given)


def test_a_file_without_answers_is_of_no_source_yet(tmp_path):
    source_of(shifted, cache=tmp_path / "answers")
    QueriedSource(uniform, (5,), 4, True, cache=tmp_path / "answers")


def old_file(path, answers):
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE answers (input BLOB PRIMARY KEY, answer BLOB) "
            "WITHOUT ROWID"
        )
        connection.executemany("INSERT INTO answers VALUES (?, ?)", answers)
    return path


def digest(sample):
    return hashlib.blake2b(sample.tobytes(), digest_size=20).digest()


def test_a_file_of_an_earlier_version_learns_what_it_is_of(tmp_path):
    answer = shifted(ROWS[:1]).astype("<f4").tobytes()
    path = old_file(tmp_path / "old", [(digest(ROWS[0]), answer)])
    source = source_of(shifted, cache=path)
    source.query.evaluate(ROWS)
    assert (source.num_queries, source.num_cache_hits) == (1, 1)
    source_of(shifted, cache=path).query.evaluate(ROWS)
    with pytest.raises(ValueError, match="another source"):
        source_of(stretched, cache=path).query.evaluate(ROWS)


def test_answers_in_a_file_are_checked_as_those_of_the_function(tmp_path):
    logits = np.array([-3, 2, 1], "<f4").tobytes()
    path = old_file(tmp_path / "old", [(digest(ROWS[0]), logits)])
    with pytest.raises(ValueError, match="from_logits=True.*in the cache file"):
        source_of(shifted, cache=path).query.evaluate(ROWS)


def damaged(path):
    path.write_bytes(b"SQLite format 3" + bytes(range(200)))


def other_database(path):
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE trials (number INTEGER)")


@pytest.mark.parametrize(
    "write",
    [
        damaged,
        other_database,
        lambda path: path.write_text("input,answer\n1,2\n" * 100),
        lambda path: path.mkdir(),
        lambda path: old_file(path, [(digest(ROWS[0]), b"12345678")]),
        lambda path: old_file(path, [(digest(ROWS[0]), "text")]),
    ],
)
def test_what_is_no_file_of_answers_is_a_value_error(tmp_path, write):
    write(tmp_path / "answers")
    with pytest.raises(ValueError, match="delete.*Received: "):
        source_of(shifted, cache=tmp_path / "answers")


@pytest.mark.filterwarnings("ignore:The source was declared")
def test_two_sources_that_begin_one_file_do_not_share_it(tmp_path):
    first = source_of(shifted, cache=tmp_path / "answers")
    second = source_of(shifted, from_logits=True, cache=tmp_path / "answers")
    first.query.evaluate(ROWS[:1])
    with pytest.raises(ValueError, match="another `cache`"):
        second.query.evaluate(3 * ROWS[1:])
    again = source_of(shifted, cache=tmp_path / "answers")
    again.query.evaluate(ROWS)
    assert (again.num_queries, again.num_cache_hits) == (1, 1)
