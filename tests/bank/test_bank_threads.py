"""Threads that share a bank get right answers, or a clear error."""

import copy
import threading
import time

import keras
import numpy as np
import pytest
from threads import SECONDS
from threads import in_threads

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ProgramBank
from keras_reprogram import ReprogrammedModel
from keras_reprogram.bank.tables import RowChange


@pytest.fixture(scope="module")
def source():
    inputs = keras.Input((4, 4, 1))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="module")
def tasks(source):
    """Programs that answer each with numbers of their own."""

    def task(number):
        groups = [[number % 6], [(number + 1) % 6]]
        model = ReprogrammedModel(
            source, InputReprogrammer((2, 2, 1)), LabelMapper(2, groups)
        )
        for variable in model.input_reprogrammer.weights:
            if variable.name == "theta":
                variable.assign(np.full(variable.shape, float(number)))
        return model

    return [task(number) for number in range(4)]


SAMPLES = np.arange(20, dtype="float32").reshape(5, 2, 2, 1)


@pytest.fixture(scope="module")
def known(tasks):
    return [model.predict(SAMPLES, verbose=0) for model in tasks]


@pytest.fixture
def bank(source, tasks):
    bank = ProgramBank(source, (2, 2, 1), 2, capacity=3, placements=2)
    bank.add({"stays": tasks[0], "changes": tasks[1]})
    return bank


def is_one_of(answers, *expected):
    found = np.stack(answers)
    return any(np.allclose(found, one, atol=1e-4) for one in expected)


def test_any_mix_of_threads_gets_right_answers(bank, tasks, known, tmp_path):
    counts = {"answered": 0, "missing": 0}

    def answer():
        for _ in range(30):
            assert is_one_of(bank.answer(SAMPLES, "stays", 2), known[0])
            found = bank.answer(SAMPLES, "changes", 2)
            assert is_one_of(found, known[1], known[2])
            try:
                found = bank.answer(SAMPLES, "comes and goes", 3)
            except ValueError as error:
                assert "no program" in str(error)
                counts["missing"] += 1
            else:
                assert is_one_of(found, known[3])
                counts["answered"] += 1

    def predict():
        batch = bank.batch(SAMPLES, [bank.entry("stays")] * 5, range(5), 5)
        for _ in range(30):
            assert is_one_of(bank.predict_on_batch(batch), known[0])
        assert is_one_of(bank.predict(batch, verbose=0), known[0])
        bank.save(tmp_path / "bank.keras")

    def replace():
        for turn in range(30):
            bank.add({"changes": tasks[1 + turn % 2]})

    def come_and_go():
        for _ in range(20):
            bank.add({"comes and goes": tasks[3]})
            time.sleep(0.002)
            bank.drop("comes and goes")
        bank.add({"comes and goes": tasks[3]})

    bank.answer(SAMPLES, "stays", 2)
    in_threads(answer, predict, replace, come_and_go)
    assert counts["answered"] + counts["missing"] == 30
    copy = keras.saving.load_model(tmp_path / "bank.keras")
    assert is_one_of(copy.answer(SAMPLES, "stays"), known[0])
    assert is_one_of(copy.answer(SAMPLES, "changes"), known[1], known[2])


def test_two_threads_that_add_get_two_places(bank, tasks, known):
    room = bank.capacity - len(bank.programs)
    failed = []

    def add(name, number):
        def run():
            try:
                bank.add({name: tasks[number]})
            except ValueError as error:
                assert "room for 3 programs" in str(error)
                failed.append(name)

        return run

    in_threads(add("one", 2), add("two", 3), add("three", 2), add("four", 3))
    assert len(failed) == 4 - room
    rows = [entry.row for entry in bank.programs.values()]
    assert sorted(rows) == [0, 1, 2]
    for name, number in (("one", 2), ("two", 3), ("three", 2), ("four", 3)):
        if name not in failed:
            assert is_one_of(bank.answer(SAMPLES, name), known[number])


class Slow:
    """Samples that something happens before."""

    def __init__(self, before):
        self.before = before

    def __len__(self):
        return len(SAMPLES)

    def __getitem__(self, row):
        self.before(row)
        return SAMPLES[row]


def test_an_answer_is_by_the_programs_at_its_start(bank, tasks, known):
    begun, found = threading.Event(), []

    def before(row):
        begun.set()
        time.sleep(0.01)

    def answer():
        found.extend(bank.answer(Slow(before), "changes", batch_size=1))

    def replace():
        begun.wait(SECONDS)
        bank.drop("changes")
        bank.add({"another": tasks[3]})

    in_threads(answer, replace)
    assert is_one_of(found, known[1])
    assert set(bank.programs) == {"stays", "another"}


def test_samples_may_use_the_bank_that_they_are_for(bank, tasks, known):
    def look(row):
        assert is_one_of(bank.answer(SAMPLES, "stays"), known[0])

    assert is_one_of(bank.answer(Slow(look), "changes", 2), known[1])

    def add(row):
        if row == 2:
            bank.add({"another": tasks[2]})

    assert is_one_of(bank.answer(Slow(add), "changes", 2), known[1])
    assert is_one_of(bank.answer(SAMPLES, "another"), known[2])
    for change in (
        lambda row: bank.add({"changes": tasks[2]}),
        lambda row: row or bank.drop("changes"),
    ):
        with pytest.raises(ValueError, match="replace their own program"):
            bank.answer(Slow(change), "changes", 2)

    class Change(keras.callbacks.Callback):
        def on_predict_batch_end(self, batch, logs=None):
            bank.drop("stays")

    batch = bank.batch(SAMPLES, [bank.entry("stays")] * 5, range(5), 5)
    with pytest.raises(ValueError, match="in the middle of a prediction"):
        bank.predict(batch, verbose=0, callbacks=[Change()])
    assert is_one_of(bank.answer(SAMPLES, "stays"), known[0])


def test_an_error_leaves_the_bank_free(bank, tasks, known):
    def fail(row):
        raise KeyError(row)

    with pytest.raises(KeyError):
        bank.answer(Slow(fail), "stays")
    with pytest.raises(ValueError, match="shape of its program"):
        bank.answer(np.ones((1, 3, 2, 1)), "stays")
    with pytest.raises(ValueError, match="room for 3"):
        bank.add({str(number): tasks[0] for number in range(2)})
    with pytest.raises(ValueError, match="no program"):
        bank.drop("another")
    in_threads(
        lambda: bank.add({"changes": tasks[2]}),
        lambda: bank.answer(SAMPLES, "stays"),
    )
    assert is_one_of(bank.answer(SAMPLES, "changes"), known[2])


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_a_change_that_is_interrupted_is_none(
    bank, tasks, known, monkeypatch, error
):
    write = RowChange.write
    written = []

    def fail(change):
        write(change)
        written.append(change)
        if len(written) == 7:
            raise error

    monkeypatch.setattr(RowChange, "write", fail)
    before = bank.get_weights()
    for changed in ({"changes": tasks[2]}, {"new": tasks[3]}):
        written.clear()
        with pytest.raises(error):
            bank.add(changed)
    for one, other in zip(bank.get_weights(), before):
        np.testing.assert_array_equal(one, other)
    assert set(bank.programs) == {"stays", "changes"}
    assert is_one_of(bank.answer(SAMPLES, "changes"), known[1])


def test_models_of_the_bank_s_source_compute_meanwhile(bank, tasks, known):
    def predict():
        for _ in range(10):
            found = tasks[0].predict(SAMPLES, verbose=0)
            np.testing.assert_allclose(found, known[0], atol=1e-5)

    def answer():
        for _ in range(10):
            assert is_one_of(bank.answer(SAMPLES, "stays"), known[0])

    def change():
        for number in range(4):
            bank.add({"changes": tasks[1 + number % 2]})

    in_threads(predict, answer, change)


def test_a_bank_is_copied(bank, known):
    again = copy.deepcopy(bank)
    assert again.lock is not bank.lock
    again.drop("changes")
    assert is_one_of(again.answer(SAMPLES, "stays"), known[0])
    assert is_one_of(bank.answer(SAMPLES, "changes"), known[1])
