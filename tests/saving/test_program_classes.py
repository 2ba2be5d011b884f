"""Files that name classes and functions of a user's own."""

import copy
import json
import pathlib
import zipfile

import keras
import numpy as np
import pytest

import keras_reprogram
from keras_reprogram.saving import program_archive
from keras_reprogram.saving import program_classes

FOLDER = pathlib.Path(__file__).parents[1] / "data" / "programs_0_1_0"
FILES = (
    "augmented",
    "attributes_of_logits",
    "auto_vp",
    "program_grid",
    "soft_prompt",
    "smm",
    "time_llm_prompted",
    "token_patches",
)
# Of the package, and no part of a program.
NO_PROGRAM = {
    "ReadPositions",
    "BankedInputs",
    "BankedMatrices",
    "BankedSources",
    "Bounded",
    "Doubling",
}
PARTS = 6
RAN = []


class Recorded:
    def __init__(self, *args, **kwargs):
        RAN.append(type(self).__name__)
        super().__init__()

    def __call__(self, *args, **kwargs):
        RAN.append(type(self).__name__)

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls()


@keras.saving.register_keras_serializable(package="mine")
class Job(Recorded):
    pass


@keras.saving.register_keras_serializable(package="mine")
class Start(Recorded, keras.initializers.Initializer):
    pass


@keras.saving.register_keras_serializable(package="mine")
class OwnProgram(Recorded, keras_reprogram.inputs.UniversalPattern):
    pass


@keras.saving.register_keras_serializable(package="mine")
def double(*args, **kwargs):
    RAN.append("double")


def described(name, module=None, registered=None, config=None):
    return {
        "class_name": name,
        "module": module,
        "registered_name": registered,
        "config": config or {},
    }


def attacks():
    """Names of the user's, each way that a file could bring them in."""
    own = __name__
    for name in ("Job", "Start", "OwnProgram", "double"):
        known = f"mine>{name}"
        yield known
        yield described(name, own, known)
        yield described("Zeros", "keras.initializers", known)
        yield described("DTypePolicy", "keras", known, {"name": "float32"})
        module = "keras_reprogram.inputs.images.regions"
        yield described("Everywhere", module, known)
        yield described(known, "keras.initializers")
        yield described("function", own, known, name)
        yield [described(name, own, known)]
        yield described("__tuple__", config={"value": [described(name, own)]})
        yield {"class_name": "keras_reprogram>Everywhere", "config": known}
    yield described("system", "os")
    yield described("Lambda", "keras.layers", config={"function": "f"})
    yield described("__lambda__", config={"value": "f"})
    yield described("__numpy__", config={"value": [1], "dtype": "float32"})
    yield described("__bytes__", config={"value": "f"})
    yield described("SeedGenerator", "keras.random", config={"seed": 1})


def header_of(name):
    with zipfile.ZipFile(FOLDER / f"{name}.program") as archive:
        return program_archive.parsed(archive.read("program.json"))


def places(value, path=()):
    """Every place in a config, as keys one after the other."""
    if isinstance(value, dict):
        for key in value:
            yield (*path, key)
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield (*path, index)
            yield from places(value[index], (*path, index))


def put(header, place, value):
    *keys, last = place
    for key in keys:
        header = header[key]
    header[last] = value


@pytest.mark.numpy_alone
@pytest.mark.parametrize("name", FILES)
def test_nothing_of_a_users_own_runs_wherever_a_file_names_it(name):
    """A part of all attacks at each place, others at the next place."""
    header, tried = header_of(name), 0
    RAN.clear()
    for end in program_classes.ENDS:
        for index, place in enumerate(places(header[end])):
            # Neither is made into anything.
            if place[0] == "build_config" or place[-1] == "module":
                continue
            is_name = place[-1] == "name" and "dtype" not in place
            for attack in list(attacks())[index % PARTS :: PARTS]:
                if is_name and isinstance(attack, str):
                    continue
                changed = copy.deepcopy(header[end])
                put(changed, place, attack)
                with pytest.raises((KeyError, TypeError, ValueError)):
                    program_classes.build(changed)
                tried += 1
    assert RAN == [] and tried > 100


def test_a_file_that_names_a_class_of_a_users_own_is_refused(source, tmp_path):
    """Each on the way through `load_program`, with the source's model."""
    path = tmp_path / "task.program"
    keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer((4, 4, 1)),
        keras_reprogram.LabelMapper(3, "random"),
    ).save_program(path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(contents["program.json"])
    pattern = ("input_reprogrammer", "config", "pattern")
    RAN.clear()
    for place in (
        (*pattern,),
        (*pattern, "config", "initializer"),
        (*pattern, "config", "activation"),
        ("label_mapper",),
        ("label_mapper", "config", "dtype"),
    ):
        for attack in attacks():
            changed = copy.deepcopy(header)
            put(changed, place, attack)
            contents["program.json"] = json.dumps(changed)
            with zipfile.ZipFile(path, "w") as archive:
                for name, content in contents.items():
                    archive.writestr(name, content)
            with pytest.raises(ValueError, match="Received: "):
                keras_reprogram.ReprogrammedModel.load_program(path, source)
    assert RAN == []


@pytest.mark.numpy_alone
def test_names_of_keras_are_keras_own_whatever_the_scope_says():
    header = header_of("program_grid")
    with keras.saving.custom_object_scope({"Zeros": Job, "L2": Job}):
        ends = program_classes.build_ends(header)
    initializer = ends["input_reprogrammer"].pattern.initializer
    assert type(initializer) is keras.initializers.Zeros


@pytest.mark.numpy_alone
def test_every_part_of_a_program_is_in_the_table():
    registered = keras.saving.get_custom_objects().items()
    parts = {
        name.removeprefix("keras_reprogram>")
        for name, cls in registered
        if cls.__module__.startswith(
            ("keras_reprogram.inputs", "keras_reprogram.outputs")
        )
    }
    assert parts - NO_PROGRAM == set(program_classes.OWN)


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "place, value",
    [
        (("input_reprogrammer", "config", "dtype"), "float8_e4m3fn"),
        (("input_reprogrammer", "config", "dtype"), "int8"),
        (("input_reprogrammer", "config", "dtype", "config", "name"), "int4"),
        (("input_reprogrammer", "config", "data_format"), "diagonal"),
        (("input_reprogrammer", "config", "name"), "x" * 10_000),
        (("input_reprogrammer", "config", "input_shape"), [1, 2]),
        (("input_reprogrammer", "config", "placement"), "resize"),
        (("input_reprogrammer", "shared_object_id"), 1),
        (("input_reprogrammer", "compile_config"), {}),
        (("label_mapper", "config", "mapping"), [[0]] * 3000 + [{}]),
        (("label_mapper", "registered_name"), None),
    ],
)
def test_what_no_program_holds_is_refused(place, value):
    header = header_of("random_of_logits")
    put(header, place, value)
    with pytest.raises(ValueError):
        program_classes.build_ends(header)


@pytest.mark.numpy_alone
def test_tuples_and_policies_by_name_are_read():
    header = header_of("random_of_logits")
    put(header, ("input_reprogrammer", "config", "dtype"), "mixed_bfloat16")
    put(
        header,
        ("input_reprogrammer", "config", "value_range"),
        {"class_name": "__tuple__", "config": {"value": [0, 1]}},
    )
    end = program_classes.build_ends(header)["input_reprogrammer"]
    assert end.compute_dtype == "bfloat16"
    np.testing.assert_array_equal(end.value_range, (0, 1))
