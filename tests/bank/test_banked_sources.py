import keras
import numpy as np
import pytest
from banks import assert_answers
from banks import bank_of
from banks import lookups
from banks import mixed


def test_source_classes_are_looked_up_without_a_matrix(
    twelve_classes, tmp_path
):
    tasks = lookups(twelve_classes)
    bank = bank_of(twelve_classes, tasks, capacity=3, sources_per_target=3)
    assert_answers(bank, *mixed(tasks))
    bank.drop("three")  # A smaller map in its place leaves nothing of it.
    tasks["three"] = tasks.pop("written")
    bank.add({"three": tasks["three"]})
    assert_answers(bank, *mixed(tasks))
    outputs = bank.predict_on_batch(
        bank.batch(np.ones((1, 4, 4, 1)), [bank.entry("three")], [0], 1)
    )
    assert not outputs[:, 2:].any()
    bank.save(tmp_path / "bank.keras")
    copy = keras.saving.load_model(tmp_path / "bank.keras")
    assert_answers(copy, *mixed(tasks))
    values = [np.prod(weight.shape) for weight in bank.banked_labels.weights]
    assert sum(values) == 2 * 3 * 5 * 3  # programs, classes, sources each


def test_what_is_not_looked_up_is_a_value_error(twelve_classes, tasks):
    bank = bank_of(twelve_classes, {}, sources_per_target=2)
    for name, model in {
        "that is a matrix": tasks["framed"],
        "of 3": lookups(twelve_classes)["three"],
    }.items():
        with pytest.raises(ValueError, match=f"source classes.*{name}"):
            bank.add({"new": model})
