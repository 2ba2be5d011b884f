import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ProgramBank
from keras_reprogram import ReprogrammedModel
from keras_reprogram import methods
from keras_reprogram.inputs import FeatureMosaic
from keras_reprogram.inputs import Frame
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import Resize
from keras_reprogram.inputs import SampleMaskedPattern
from keras_reprogram.inputs import ScaledPad
from keras_reprogram.inputs import Tile
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.saving import source_check

# Input transformation and label map of each task.
TASKS = {
    "resized": (dict(target_shape=(4, 4, 1)), (3, "linear")),
    "enlarged": (dict(target_shape=(5, 3, 3), clip=True), (2, "identity")),
    "reduced": (dict(target_shape=(20, 10, 3)), (2, "random")),
    "padded": (
        dict(target_shape=(6, 6, 1), placement=Pad(), pattern="outside"),
        (5, "random"),
    ),
    "at an offset": (
        dict(
            target_shape=(4, 4, 3),
            placement=Pad(inner_size=6, offset=(0, 9)),
            normalize_first=True,
            clip=True,
        ),
        (3, "linear"),
    ),
    "framed": (
        dict(
            target_shape=(5, 4, 1),
            placement=Pad(inner_size=(10, 12)),
            pattern=lambda: UniversalPattern(Frame(2), activation=None),
            value_range=(-1, 2),
        ),
        (2, "linear"),
    ),
    "scaled": (
        dict(target_shape=(6, 6, 1), placement=lambda: ScaledPad(9)),
        (2, "identity"),
    ),
    "of few values": (
        dict(
            target_shape=(4, 4, 1),
            pattern=lambda: UniversalPattern(basis=Grid(2)),
        ),
        (4, "random"),
    ),
    "no program": (
        dict(target_shape=(4, 4, 1), pattern=None, scale=(1, 2, 3.0)),
        (2, "identity"),
    ),
}


def task(source, name, **settings):
    inputs, (classes, mapping) = TASKS[name]
    # What holds variables is made anew.
    settings = {
        key: value() if callable(value) else value
        for key, value in {**inputs, **settings}.items()
    }
    end = InputReprogrammer(**settings)
    model = ReprogrammedModel(source, end, LabelMapper(classes, mapping))
    generator = np.random.default_rng(len(name))
    learned = {"theta"} | ({"matrix", "bias"} if mapping == "linear" else set())
    for variable in model.program_variables:
        if variable.name in learned:
            variable.assign(generator.normal(0, 1, variable.shape))
    model.label_mapper.on_variables_loaded()
    return model


def samples_of(model, count, seed=0):
    low, high = model.input_reprogrammer.value_range
    shape = (count, *model.input_reprogrammer.target_shape)
    generator = np.random.default_rng(seed)
    return generator.uniform(low, high, shape).astype("float32")


def bank_of(source, tasks, **settings):
    settings = {"capacity": 12, "num_classes": 5, **settings}
    bank = ProgramBank(source, (20, 10, 3), **settings)
    bank.add(tasks)
    return bank


@pytest.fixture
def tasks(twelve_classes):
    return {name: task(twelve_classes, name) for name in TASKS}


def mixed(tasks, count=3):
    samples, names, wanted = [], [], []
    for name, model in tasks.items():
        mine = samples_of(model, count)
        samples += list(mine)
        names += [name] * count
        wanted += list(model.predict(mine, verbose=0))
    order = np.random.default_rng(1).permutation(len(samples))
    return tuple([part[i] for i in order] for part in (samples, names, wanted))


def assert_answers(bank, samples, names, wanted, **kwargs):
    answers = bank.answer(samples, names, **kwargs)
    assert len(answers) == len(wanted)
    for answer, expected in zip(answers, wanted):
        np.testing.assert_allclose(answer, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("batch_size", [4, 27, 100])
def test_each_row_is_answered_by_its_own_program(
    twelve_classes, tasks, batch_size
):
    bank = bank_of(twelve_classes, tasks)
    assert_answers(bank, *mixed(tasks), batch_size=batch_size)


def test_a_waveform_has_no_channels():
    inputs = keras.Input((12,))
    source = keras.Model(inputs, keras.layers.Dense(6)(inputs))
    tasks = {}
    for name, length, placement in (
        ("short", 5, "pad"),
        ("long", 20, "resize"),
        ("copied", 3, Tile(2)),
    ):
        end = InputReprogrammer(
            target_shape=(length,), placement=placement, value_range=(-1, 1)
        )
        tasks[name] = ReprogrammedModel(source, end, LabelMapper(2, "random"))
        tasks[name].input_reprogrammer.weights[0].assign(
            np.random.default_rng(0).normal(
                size=tasks[name].input_reprogrammer.weights[0].shape
            )
        )
    bank = ProgramBank(source, (20,), 2)
    bank.add(tasks)
    assert_answers(bank, *mixed(tasks))


def test_a_source_of_probabilities(bright_quadrants):
    inputs = keras.Input((8, 8, 1))
    outputs = keras.layers.Dense(6, activation="softmax")(
        keras.layers.Flatten()(inputs / 255)
    )
    source = keras.Model(inputs, outputs)
    tasks = {
        mapping: ReprogrammedModel(
            source,
            InputReprogrammer(target_shape=(8, 8, 1)),
            LabelMapper(3, mapping),
        )
        for mapping in ("linear", "random")
    }
    tasks["linear"].adapt(*bright_quadrants, verbose=0)
    bank = ProgramBank(source, (8, 8, 1), 3)
    bank.add(tasks)
    assert_answers(bank, *mixed(tasks))


def lookups(source):
    """Tasks whose target classes are one source class or a mean of some."""
    return {
        str(mapper.name): ReprogrammedModel(
            source, InputReprogrammer(target_shape=(4, 4, 1)), mapper
        )
        for mapper in (
            LabelMapper(3, "random", name="one"),
            LabelMapper(4, "random", sources_per_target=3, name="three"),
            LabelMapper(2, [[4, 1], [7, 0]], name="written"),
        )
    }


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


def test_a_map_with_a_computation_of_its_own_is_its_matrix(twelve_classes):
    attributes = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    model = methods.rvp(
        twelve_classes, attributes, target_shape=(4, 4, 1), inner_size=6
    )
    generator = np.random.default_rng(0)
    for variable in model.label_mapper.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    bank = bank_of(twelve_classes, {"rvp": model}, capacity=2)
    assert_answers(bank, *mixed({"rvp": model}))
    selecting = bank_of(twelve_classes, {}, sources_per_target=4)
    with pytest.raises(ValueError, match="that is a matrix"):
        selecting.add({"rvp": model})


def test_what_is_not_looked_up_is_a_value_error(twelve_classes, tasks):
    bank = bank_of(twelve_classes, {}, sources_per_target=2)
    for name, model in {
        "that is a matrix": tasks["framed"],
        "of 3": lookups(twelve_classes)["three"],
    }.items():
        with pytest.raises(ValueError, match=f"source classes.*{name}"):
            bank.add({"new": model})


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


# === Files ===


def saved(tasks, folder):
    files = {}
    for name, model in tasks.items():
        files[name] = folder / f"{name}.program"
        model.save_program(files[name])
    return files


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


class HalfResize(Resize):
    """Places samples in a way that its matrices do not describe."""

    def place(self, samples, canvas_shape, axes):
        return super().place(samples, canvas_shape, axes) / 2


class Halved(InputReprogrammer):
    def call(self, inputs, training=False):
        return super().call(inputs, training) / 2


def test_a_subclass_that_computes_otherwise_is_refused(twelve_classes):
    bank = bank_of(twelve_classes, {})
    for end in (
        InputReprogrammer((4, 4, 1), placement=HalfResize()),
        Halved((4, 4, 1)),
    ):
        model = ReprogrammedModel(twelve_classes, end, LabelMapper(2, "random"))
        with pytest.raises(ValueError, match="matrix along each axis"):
            bank.add({"new": model})


def test_answers_are_those_of_the_program_s_own_model(twelve_classes, tasks):
    bank = bank_of(twelve_classes, tasks)
    samples, names, wanted = mixed(tasks)
    answers = bank.answer(samples, names)
    scale = max(float(np.abs(each).max()) for each in wanted)
    for answer, expected in zip(answers, wanted):
        np.testing.assert_allclose(answer, expected, atol=1e-5 * scale)


def test_a_config_is_not_changed_by_what_is_made_of_it(twelve_classes):
    bank = bank_of(twelve_classes, {})
    config = bank.get_config()
    keys = set(config)
    for _ in range(2):
        copy = ProgramBank.from_config(config)
    assert set(config) == keys and copy.capacity == bank.capacity
