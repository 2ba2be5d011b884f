import keras
import numpy as np
from banks import assert_answers
from banks import bank_of
from banks import mixed
from banks import task

from keras_reprogram import ProgramBank

# Input transformation and label map of each task.


def test_programs_come_and_go_without_compiling_anything(
    twelve_classes, tasks, monkeypatch
):
    names = list(tasks)
    bank = bank_of(
        twelve_classes, {name: tasks[name] for name in names[:4]}, capacity=5
    )
    first = {name: tasks[name] for name in names[:4]}
    assert_answers(bank, *mixed(first), batch_size=12)
    function = bank.predict_function
    calls = []
    layer = type(bank.frozen_source)
    call = layer.call
    monkeypatch.setattr(
        layer, "call", lambda self, x: calls.append(1) or call(self, x)
    )
    bank.drop(names[0])
    bank.add({name: tasks[name] for name in names[4:6]})
    held = {name: tasks[name] for name in names[1:6]}
    assert set(bank.programs) == set(held)
    data = mixed(held)
    calls.clear()
    bank.answer(*data[:2], batch_size=12)
    assert bank.predict_function is function
    if keras.config.backend() != "torch":  # which runs what it is given
        assert not calls
    monkeypatch.undo()
    assert_answers(bank, *data, batch_size=12)


def test_a_name_is_given_a_new_program(twelve_classes, tasks):
    bank = bank_of(twelve_classes, tasks)
    other = task(twelve_classes, "padded")
    other.input_reprogrammer.weights[0].assign(
        np.ones(other.input_reprogrammer.weights[0].shape)
    )
    bank.add({"padded": other})
    assert len(bank.programs) == len(tasks)
    assert_answers(bank, *mixed({**tasks, "padded": other}))


def test_program_files_and_a_bank_on_disk(twelve_classes, tasks, tmp_path):
    files = {}
    for name, model in tasks.items():
        files[name] = tmp_path / f"{name}.program"
        model.save_program(files[name])
    bank = bank_of(twelve_classes, files)
    data = mixed(tasks)
    assert_answers(bank, *data)
    bank.save(tmp_path / "bank.keras")
    assert_answers(keras.saving.load_model(tmp_path / "bank.keras"), *data)


def test_nothing_of_a_bank_is_trained(twelve_classes, tasks):
    assert bank_of(twelve_classes, tasks).trainable_variables == []


def test_a_config_is_not_changed_by_what_is_made_of_it(twelve_classes):
    bank = bank_of(twelve_classes, {})
    config = bank.get_config()
    keys = set(config)
    for _ in range(2):
        copy = ProgramBank.from_config(config)
    assert set(config) == keys and copy.capacity == bank.capacity
