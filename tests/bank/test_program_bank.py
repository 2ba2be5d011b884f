import keras
import numpy as np
import pytest
from banks import assert_answers
from banks import bank_of
from banks import mixed
from banks import task

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ProgramBank
from keras_reprogram import ReprogrammedModel
from keras_reprogram.bank.program_bank import canvas_shapes
from keras_reprogram.inputs import AveragedViews
from keras_reprogram.inputs import JoinedTransformation
from keras_reprogram.sources import JoinedSource
from keras_reprogram.sources.specification import GraphSpecification
from keras_reprogram.sources.specification import SourceSpecification

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


@pytest.mark.numpy_alone
def test_a_bank_of_joined_sources_answers_as_each_model(tmp_path):
    def part(size, activation):
        inputs = keras.Input((size, size, 3))
        flat = keras.layers.Flatten()(keras.layers.Rescaling(0.01)(inputs))
        return keras.Model(inputs, keras.layers.Dense(4, activation)(flat))

    sources = JoinedSource([part(6, None), part(8, "softmax")])
    models = {
        name: ReprogrammedModel(
            sources,
            [
                InputReprogrammer((4, 4, 1), placement="pad"),
                InputReprogrammer((4, 4, 1), pattern=None),
            ],
            LabelMapper(classes, "random"),
        )
        for name, classes in (("a", 2), ("b", 3))
    }
    models["b"].save_program(tmp_path / "b.program")
    bank = ProgramBank(sources, (4, 4, 1), 3, capacity=4)
    bank.add({"a": models["a"], "b": tmp_path / "b.program"})
    samples = np.random.default_rng(0).integers(0, 256, (4, 4, 4, 1))
    names = ["a", "b", "b", "a"]
    for sample, name, answer in zip(
        samples, names, bank.answer(samples, names)
    ):
        wanted = models[name].predict_on_batch(sample[None].astype("uint8"))
        np.testing.assert_allclose(answer, wanted[0], rtol=1e-4, atol=1e-4)
    bank.save(tmp_path / "bank.keras")
    loaded = keras.saving.load_model(tmp_path / "bank.keras")
    for answer, wanted in zip(
        loaded.answer(samples, names), bank.answer(samples, names)
    ):
        np.testing.assert_allclose(answer, wanted)
    alone = ReprogrammedModel(
        sources.sources[0],
        InputReprogrammer((4, 4, 1)),
        LabelMapper(2, "random"),
    )
    with pytest.raises(ValueError, match="'c' with 1 for 2 sources"):
        bank.add({"c": alone})
    views = ReprogrammedModel(
        sources,
        AveragedViews(
            JoinedTransformation([InputReprogrammer((4, 4, 1)) for _ in "ab"])
        ),
        LabelMapper(2, "random"),
    )
    with pytest.raises(ValueError, match="'c' with a AveragedViews"):
        bank.add({"c": views})


@pytest.mark.numpy_alone
@pytest.mark.parametrize("shape", [(8, 8), (64,), (1, 8, 8, 1)])
def test_samples_have_as_many_axes_as_the_source_takes(shape):
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(4)(keras.layers.Flatten()(inputs))
    with pytest.raises(ValueError, match="as many axes"):
        ProgramBank(keras.Model(inputs, outputs), shape, num_classes=2)


@pytest.mark.numpy_alone
def test_sources_of_other_channels_are_not_banked():
    inputs = [keras.Input((6, 6, channels)) for channels in (1, 3)]
    sources = [
        keras.Model(it, keras.layers.GlobalAveragePooling2D()(it))
        for it in inputs
    ]
    with pytest.raises(ValueError, match="as many channels as each other"):
        ProgramBank(sources, (4, 4, 1), 3)
    with pytest.raises(ValueError, match="in a list for several sources"):
        ProgramBank(sources, (4, 4, 1), 3, source_shape=(6, 6, 3))


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "specified",
    [
        {"embeddings": np.ones((5, 3))},
        {"graph": GraphSpecification(3, 1, ("sum",), "sum")},
    ],
)
def test_a_source_of_embeddings_or_graphs_has_no_bank(specified):
    specification = SourceSpecification(
        (4, 3), (4, 3), 5, "linear", **specified
    )
    with pytest.raises(ValueError, match="by their own models"):
        canvas_shapes(specification, (4, 3))


def test_programs_keep_the_names_of_their_classes(tmp_path):
    inputs = keras.Input((4, 4, 3))
    source = keras.Model(
        inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs))
    )
    bank = ProgramBank(source, (4, 4, 3), num_classes=3, capacity=2)
    named, plain = (
        ReprogrammedModel(
            source,
            InputReprogrammer((4, 4, 3), pattern=None),
            LabelMapper(2, [[0], [2]], class_names=names),
        )
        for names in (["cat", "dog"], None)
    )
    named.save_program(tmp_path / "named.program")
    bank.add({"pets": tmp_path / "named.program", "others": plain})
    bank.save(tmp_path / "bank.keras")
    for each in (bank, keras.saving.load_model(tmp_path / "bank.keras")):
        assert each.programs["pets"].class_names == ("cat", "dog")
        assert each.programs["others"].class_names is None
