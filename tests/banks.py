"""Tasks and banks of them, for the tests of banks."""

import numpy as np

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ProgramBank
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import Frame
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import ScaledPad
from keras_reprogram.inputs import UniversalPattern

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


def saved(tasks, folder):
    files = {}
    for name, model in tasks.items():
        files[name] = folder / f"{name}.program"
        model.save_program(files[name])
    return files
