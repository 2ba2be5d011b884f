"""Files that name classes and functions of a user's own."""

import copy
import json
import pathlib
import zipfile

import keras
import numpy as np
import pytest

import keras_reprogram
from keras_reprogram import configurable
from keras_reprogram.configurable import REGISTERED
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.resolvable import serialized
from keras_reprogram.saving import program_classes
from keras_reprogram.saving import program_header

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
        return program_header.parsed(archive.read("program.json"))


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
    for end in (header["inputs"][0], header["output"]):
        for index, place in enumerate(places(end)):
            # Neither is made into anything.
            if place[0] == "build_config" or place[-1] == "module":
                continue
            is_name = place[-1] == "name" and "dtype" not in place
            for attack in list(attacks())[index % PARTS :: PARTS]:
                if is_name and isinstance(attack, str):
                    continue
                changed = copy.deepcopy(end)
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
    pattern = ("inputs", 0, "config", "pattern")
    RAN.clear()
    for place in (
        (*pattern,),
        (*pattern, "config", "initializer"),
        (*pattern, "config", "activation"),
        ("output",),
        ("output", "config", "dtype"),
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
    parts = {
        name
        for name, cls in REGISTERED.items()
        if cls.__module__.startswith(
            ("keras_reprogram.inputs", "keras_reprogram.outputs")
        )
    }
    assert parts - NO_PROGRAM == {
        name for name in parts if issubclass(REGISTERED[name], ProgramPart)
    }


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "place, value",
    [
        (("inputs", 0, "config", "dtype"), "float8_e4m3fn"),
        (("inputs", 0, "config", "dtype"), "int8"),
        (("inputs", 0, "config", "dtype", "config", "name"), "int4"),
        (("inputs", 0, "config", "data_format"), "diagonal"),
        (("inputs", 0, "config", "name"), "x" * 10_000),
        (("inputs", 0, "config", "input_shape"), [1, 2]),
        (("inputs", 0, "config", "placement"), "resize"),
        (("inputs", 0, "shared_object_id"), 1),
        (("inputs", 0, "compile_config"), {}),
        (("output", "config", "mapping"), [[0]] * 3000 + [{}]),
        (("output", "registered_name"), None),
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
    put(header, ("inputs", 0, "config", "dtype"), "mixed_bfloat16")
    put(
        header,
        ("inputs", 0, "config", "value_range"),
        {"class_name": "__tuple__", "config": {"value": [0, 1]}},
    )
    end = program_classes.build_ends(header)["input_reprogrammer"]
    assert end.compute_dtype == "bfloat16"
    np.testing.assert_array_equal(end.value_range, (0, 1))


class TwiceMapped(keras_reprogram.LabelMapper):
    """Stands for the class of a method's page."""

    __module__ = "keras_reprogram.methods.twice_mapped"

    def __init__(self, rank=2, **kwargs):
        super().__init__(**kwargs)
        self.rank = rank

    def build(self, input_shape):
        super().build(input_shape)
        shapes = ((self.num_classes, self.rank), (self.rank, self.num_classes))
        self.factors = [
            self.add_weight(name=f"factor_{index}", shape=shape)
            for index, shape in enumerate(shapes)
        ]

    def call(self, outputs, samples=None, training=None):
        outputs = super().call(outputs, samples, training)
        for factor in self.factors:
            outputs = keras.ops.matmul(outputs, factor)
        return outputs

    @property
    def learned_variables(self):
        return [*super().learned_variables, *self.factors]

    def expected_variables(self, specification, outputs_shape):
        sizes = (self.num_classes, self.rank)
        return [
            *super().expected_variables(specification, outputs_shape),
            ExpectedVariable(sizes),
            ExpectedVariable(sizes[::-1]),
        ]

    def get_config(self):
        return {**super().get_config(), "rank": self.rank}


@pytest.mark.parametrize("mapping", ["random", "linear"])
def test_a_class_of_the_package_needs_nothing_but_its_own_declarations(
    source, tmp_path, monkeypatch, mapping
):
    monkeypatch.setitem(REGISTERED, "TwiceMapped", TwiceMapped)
    configurable.serializable(TwiceMapped)
    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer((4, 4, 1)),
        TwiceMapped(num_classes=3, mapping=mapping, rank=2),
    )
    images = np.arange(160).reshape(10, 4, 4, 1).astype("uint8")
    model.adapt(images, np.arange(10) % 3, verbose=0)
    path = tmp_path / "task.program"
    model.save_program(path)
    copy = keras_reprogram.ReprogrammedModel.load_program(path, source)
    assert isinstance(copy.label_mapper, TwiceMapped)
    np.testing.assert_allclose(
        *(keras.ops.convert_to_numpy(each(images)) for each in (copy, model)),
        rtol=1e-6,
    )


@pytest.mark.numpy_alone
def test_a_users_class_is_in_no_table_whatever_it_is_registered_as():
    class UniversalPattern(OwnProgram):
        pass

    known = REGISTERED["UniversalPattern"]
    configurable.serializable(UniversalPattern)
    keras.saving.get_custom_objects()["keras_reprogram>UniversalPattern"] = (
        known
    )
    assert REGISTERED["UniversalPattern"] is known
    header = header_of("program_grid")
    built = program_classes.build_ends(header)["input_reprogrammer"].pattern
    assert type(built) is known


@pytest.mark.numpy_alone
def test_two_classes_of_the_package_do_not_share_a_name():
    other = type("Pad", (), {"__module__": "keras_reprogram.methods.other"})
    with pytest.raises(ValueError, match="one name in saved files"):
        configurable.serializable(other)
    assert REGISTERED["Pad"] is keras_reprogram.inputs.Pad


@pytest.mark.numpy_alone
def test_what_is_registered_and_no_part_of_a_program_is_not_built():
    for name, cls in REGISTERED.items():
        if issubclass(cls, ProgramPart):
            continue
        described_class = described(
            name, cls.__module__, f"keras_reprogram>{name}"
        )
        with pytest.raises(ValueError, match="no program holds"):
            program_classes.class_of(described_class)


def several_inputs():
    """The configurations of two inputs with views, as a file holds them."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    parts = [keras.Model(inputs, keras.layers.Dense(n)(x)) for n in (3, 4)]
    joined = [keras_reprogram.InputReprogrammer((4, 4, 1)) for _ in parts]
    views = keras_reprogram.inputs.AveragedViews(
        keras_reprogram.inputs.JoinedTransformation(joined),
        ["identity", "both", (0.1, 0.0)],
    )
    keras_reprogram.ReprogrammedModel(parts, views)
    found = [serialized(each) for each in views.for_each_source()]
    return json.loads(json.dumps(found))


@pytest.mark.numpy_alone
def test_views_and_several_inputs_are_made_from_what_they_declare():
    inputs = several_inputs()
    output = header_of("program_grid")["output"]
    header = {"inputs": inputs, "output": output}
    found = program_classes.build_ends(header)["input_reprogrammer"]
    assert found.views == ("identity", "both", (0.1, 0.0))
    assert len(found.for_each_source()) == 2
    for place, value in [
        ((0, "config", "views"), ["identity"]),
        ((0, "config", "views"), ["print"]),
        ((0, "config", "views"), [[0.1, 1e99]]),
        ((0, "config", "views"), [[0.001 * n, 0] for n in range(200)]),
        ((0, "config", "transformation"), inputs[1]),
        ((0, "config", "transformation"), output),
        ((0, "config", "transformation"), None),
        ((1,), inputs[1]["config"]["transformation"]),
        ((1,), output),
        (
            (1,),
            keras.saving.serialize_keras_object(
                keras_reprogram.inputs.JoinedTransformation(
                    [keras_reprogram.InputReprogrammer() for _ in range(2)]
                )
            ),
        ),
    ]:
        changed = copy.deepcopy(inputs)
        put(changed, place, value)
        with pytest.raises((KeyError, TypeError, ValueError)):
            program_classes.build_ends({**header, "inputs": changed})
