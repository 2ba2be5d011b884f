import keras
import numpy as np
import pytest
from banks import assert_answers
from banks import bank_of
from banks import mixed
from banks import saved
from banks import task

from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import FeatureMosaic
from keras_reprogram.inputs import SampleMaskedPattern
from keras_reprogram.saving import source_check


def test_what_a_bank_does_not_hold_is_a_value_error(twelve_classes, tasks):
    bank = bank_of(twelve_classes, {"padded": tasks["padded"]}, capacity=2)
    unlike = {
        "depends on the sample": dict(pattern=SampleMaskedPattern),
        "matrix along each axis": dict(
            target_shape=(6,), placement=FeatureMosaic(), value_range=(0, 1)
        ),
        "one size": dict(target_shape=None),
        "samples of up to": dict(target_shape=(30, 4, 1)),
    }
    for message, settings in unlike.items():
        with pytest.raises(ValueError, match=message):
            bank.add({"new": task(twelve_classes, "resized", **settings)})
    with pytest.raises(ValueError, match="room for 2 programs"):
        bank.add({name: tasks[name] for name in ("resized", "framed")})
    with pytest.raises(ValueError, match="no program"):
        bank.answer(np.ones((1, 6, 6, 1)), "framed")
    with pytest.raises(ValueError, match="shape of its program"):
        bank.answer(np.ones((1, 5, 6, 1)), "padded")
    with pytest.raises(ValueError, match="one program for each"):
        bank.answer(np.ones((2, 6, 6, 1)), ["padded"])
    with pytest.raises(ValueError, match="more `placements`"):
        bank_of(twelve_classes, tasks, placements=2)
    with pytest.raises(ValueError, match="more `num_classes`"):
        bank_of(twelve_classes, tasks, num_classes=4)
    assert list(bank.programs) == ["padded"]
    assert_answers(bank, *mixed({"padded": tasks["padded"]}))


def test_a_source_is_hashed_once_for_all_files(
    twelve_classes, tasks, tmp_path, monkeypatch
):
    files = saved(tasks, tmp_path)
    compared = []
    compare = source_check.compare_fingerprints
    monkeypatch.setattr(
        source_check,
        "compare_fingerprints",
        lambda *args: compared.append(args) or compare(*args),
    )
    bank = bank_of(twelve_classes, files)
    assert len(compared) == 1
    assert_answers(bank, *mixed(tasks))


def test_a_source_that_was_changed_is_noticed(
    twelve_classes, tasks, tmp_path, monkeypatch
):
    files = saved({"padded": tasks["padded"]}, tmp_path)
    bank = bank_of(twelve_classes, files)
    kernel = twelve_classes.weights[0]
    before = keras.ops.convert_to_numpy(kernel.value).copy()
    kernel.assign(before + 1)
    try:
        with pytest.raises(ValueError, match="another source"):
            bank.add({"new": files["padded"]})
    finally:
        kernel.assign(before)
    assert list(bank.programs) == ["padded"]
    bank.add({"new": files["padded"]})


def test_no_model_is_built_for_a_file(
    twelve_classes, tasks, tmp_path, monkeypatch
):
    files = saved(tasks, tmp_path)
    monkeypatch.delattr(ReprogrammedModel, "__init__")
    assert_answers(bank_of(twelve_classes, files), *mixed(tasks))


def test_files_of_one_configuration_share_layers_and_no_values(
    twelve_classes, tmp_path
):
    tasks = {}
    for index in range(4):
        tasks[str(index)] = task(twelve_classes, "scaled")
        for variable in tasks[str(index)].input_reprogrammer.weights:
            variable.assign(variable + 0.1 * index)
    bank = bank_of(twelve_classes, saved(tasks, tmp_path))
    assert_answers(bank, *mixed(tasks))


def test_a_file_after_a_damaged_one_of_its_configuration(
    twelve_classes, tmp_path
):
    tasks = {
        name: task(twelve_classes, "resized")
        for name in ("first", "second", "third")
    }
    files = saved(tasks, tmp_path)
    content = files["second"].read_bytes()
    files["second"].write_bytes(content[:-30])
    bank = bank_of(twelve_classes, {"first": files["first"]})
    with pytest.raises(ValueError, match="not a valid program"):
        bank.add(files)
    assert list(bank.programs) == ["first"]
    files["second"].write_bytes(content)
    bank.add(files)
    assert_answers(bank, *mixed(tasks))
