import json
import os
import pickle
import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import Frame
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.outputs import BayesianPlusMapping

SOURCE_CODE = """
import keras
import numpy
inputs = keras.Input((8, 8, 3))
x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
source = keras.Model(inputs, keras.layers.Dense(6, use_bias=False)(x))
source.set_weights([numpy.sin(numpy.arange(1152.0)).reshape(192, 6)])
"""


@pytest.fixture
def trained(source, images, labels):
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            (4, 4, 1),
            placement=Pad(inner_size=5),
            pattern=UniversalPattern(
                Frame(2), "sigmoid", regularizer=keras.regularizers.L2(1e-3)
            ),
        ),
        LabelMapper(3),
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Tracing two steps would take TensorFlow most of this file's time.
    eager = keras.config.backend() == "tensorflow"
    model.compile("adam", loss, run_eagerly=eager)
    model.fit(images, labels, epochs=2, verbose=0)
    model.compile("adam", loss)
    return model


@pytest.fixture
def program(trained, tmp_path):
    path = tmp_path / "task.program"
    trained.save_program(path)
    return path


def predictions(model, images):
    return model.predict(images, verbose=0)


def test_round_trip(trained, program, source, images, labels):
    loaded = ReprogrammedModel.load_program(program, source=source)
    np.testing.assert_array_equal(
        predictions(loaded, images), predictions(trained, images)
    )
    loaded.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    loaded.fit(images, labels, verbose=0)


@pytest.mark.parametrize(
    "mapping",
    [
        "random",
        "iterative",
        BayesianPlusMapping(top_k=2),
        np.eye(6)[:, :3],
        [[0], [1, 5], [2]],
    ],
)
def test_every_map_survives(source, images, labels, mapping, tmp_path):
    model = ReprogrammedModel(
        source, InputReprogrammer((4, 4, 1)), LabelMapper(3, mapping)
    )
    model.adapt(images, labels, verbose=0)
    model.save_program(tmp_path / "task.program")
    loaded = ReprogrammedModel.load_program(tmp_path / "task.program", source)
    np.testing.assert_array_equal(
        predictions(loaded, images), predictions(model, images)
    )


def test_a_source_class_that_there_is_not_is_a_value_error(source, tmp_path):
    model = ReprogrammedModel(
        source, InputReprogrammer((4, 4, 1)), LabelMapper(3, "random")
    )
    path = tmp_path / "task.program"
    model.save_program(path)
    sources = np.array([[0], [6], [2]], "int32")
    rewrite(path, members={"variables/1.npy": array_bytes(sources)})
    with pytest.raises(ValueError, match="between 0 and 5.*from 0 to 6"):
        ReprogrammedModel.load_program(path, source)
    model.label_mapper.sources.assign(sources)
    with pytest.raises(ValueError, match="between 0 and 5.*from 0 to 6"):
        model.save_program(tmp_path / "other.program")
    assert os.listdir(tmp_path) == ["task.program"]


def test_the_file_holds_what_was_learned_and_no_more(trained, program):
    with zipfile.ZipFile(program) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        header = json.loads(archive.read("program.json"))
    free = (64 - 16) * 3
    assert sizes.pop("program.json") < 10_000
    assert sorted(sizes.values()) == [128 + 3 * 4, 128 + 18 * 4, 128 + free * 4]
    assert header["sources"][0]["parameters"] == trained.source.count_params()


def test_an_unsolved_map_is_not_saved(source, tmp_path):
    model = ReprogrammedModel(source, label_mapper=LabelMapper(3))
    with pytest.raises(ValueError, match="call `adapt`"):
        model.save_program(tmp_path / "task.program")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "backend",
    sorted({"tensorflow", "jax", "torch"} - {keras.config.backend()}),
)
def test_a_program_of_another_backend_is_read(backend, images, tmp_path):
    """Written in a process of that backend, read here."""
    pytest.importorskip(backend)
    path = tmp_path / "task.program"
    code = f"""{SOURCE_CODE}
import numpy as np
import keras_reprogram as kr
model = kr.ReprogrammedModel(
    source,
    kr.InputReprogrammer(
        (4, 4, 1),
        placement=kr.inputs.Pad(inner_size=6),
        pattern=kr.inputs.UniversalPattern(initializer="random_normal"),
    ),
    kr.LabelMapper(3, "random"),
)
model.save_program({str(path)!r})
images = np.load({str(tmp_path / "images.npy")!r})
np.save({str(tmp_path / "out.npy")!r}, model.predict(images, verbose=0))
"""
    np.save(tmp_path / "images.npy", images)
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={**os.environ, "KERAS_BACKEND": backend},
    )
    names = {}
    exec(SOURCE_CODE, names)
    model = ReprogrammedModel.load_program(path, names["source"])
    np.testing.assert_allclose(
        predictions(model, images), np.load(tmp_path / "out.npy"), atol=1e-4
    )


def test_another_source_is_an_error_that_says_what_differs(
    trained, program, source
):
    weights = source.get_weights()
    other = keras.models.clone_model(source)
    with pytest.raises(ValueError, match="weights have other values"):
        ReprogrammedModel.load_program(program, source=other)
    ReprogrammedModel.load_program(program, other, check_source=False)
    other.set_weights(weights)
    ReprogrammedModel.load_program(program, source=other)
    inputs = keras.Input((9, 9, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    larger = keras.Model(inputs, keras.layers.Dense(7)(x))
    with pytest.raises(ValueError, match=r"input shape is \[9, 9, 3\], not"):
        ReprogrammedModel.load_program(program, source=larger)
    with pytest.raises(ValueError, match="Received: "):
        ReprogrammedModel.load_program(program, larger, check_source=False)


def test_a_truncated_file_is_a_value_error(program, source):
    content = program.read_bytes()
    for length in range(0, len(content), max(len(content) // 40, 1)):
        program.write_bytes(content[:length])
        with pytest.raises(ValueError, match="Received: "):
            ReprogrammedModel.load_program(program, source)


def test_a_changed_byte_is_found_or_changes_nothing(
    program, source, trained, images
):
    content = program.read_bytes()
    expected = predictions(trained, images)
    generator = np.random.default_rng(0)
    for position in generator.integers(0, len(content), 60):
        changed = bytearray(content)
        changed[position] ^= 1 << int(generator.integers(8))
        program.write_bytes(bytes(changed))
        try:
            loaded = ReprogrammedModel.load_program(program, source)
        except ValueError:
            continue
        np.testing.assert_array_equal(predictions(loaded, images), expected)


def rewrite(path, change=None, members=()):
    """Writes a program again with another header or other members."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    if change is not None:
        header = json.loads(contents["program.json"])
        change(header)
        contents["program.json"] = json.dumps(header).encode()
    contents.update(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            if content is not None:
                archive.writestr(name, content)


def setting(*path):
    """A change of one entry of the header: keys, then the value."""
    *keys, last, value = path

    def change(header):
        for key in keys:
            header = header[key]
        header[last] = value

    return change


INPUT = ("inputs", 0, "config")
LABEL = ("output", "config")


def hostile_object(class_name, module, registered_name=None, **config):
    return {
        "class_name": class_name,
        "module": module,
        "registered_name": registered_name,
        "config": config,
    }


@pytest.mark.parametrize(
    "change",
    [
        setting("format", "other"),
        setting("version", 3),
        setting("variables", []),
        setting("variables", 3),
        setting("variables", 0, "shape", [10**12]),
        setting("variables", 0, "shape", [-1]),
        setting("variables", 0, "shape", "many"),
        setting("variables", 0, "dtype", "object"),
        setting("variables", 0, "dtype", "nonsense"),
        setting("sources", 0, None),
        setting("sources", 0, {}),
        setting("sources", 0, "weights", 5),
        setting("sources", 0, "weights", True),
        setting("sources", 0, "weights", [5]),
        setting("sources", 0, "model", None),
        setting("sources", 0, "parameters", "many"),
        setting("sources", 0, "output_shape", []),
        setting("sources", 0, "output_shape", ["six"]),
        setting("sources", 0, "input_shape", 3),
        setting("variables", 0, "dtype", "int32"),
        setting("variables", 0, "dtype", "complex64"),
        setting("variables", 0, "dtype", ["float32"]),
        setting("inputs", 0, {}),
        setting("inputs", 0, []),
        setting("inputs", 0, "class_name", "LabelMapper"),
        setting(*INPUT, "source_shape", [10**9, 10**9, 3]),
        setting(*INPUT, "source_shape", [8, 8]),
        setting(*INPUT, "source_shape", "large"),
        setting(*INPUT, "target_shape", [10**9, 10**9, 10**9]),
        setting(*INPUT, "target_shape", [9000, 9000, 3]),
        setting(*INPUT, "source_shape", [8000, 8000, 3]),
        setting(*INPUT, "normalize_first", "false"),
        setting(*INPUT, "clip", [1]),
        setting(*INPUT, "value_range", [0, float("inf")]),
        setting(*INPUT, "placement", 3),
        setting(*INPUT, "unknown", 3),
        setting(*INPUT, "scale", "big"),
        setting(*INPUT, "scale", [1.0, 2.0]),
        setting(*INPUT, "dtype", hostile_object("Policy", "os")),
        setting(*INPUT, "pattern", hostile_object("system", "os")),
        setting(*INPUT, "pattern", hostile_object("Lambda", "keras.layers")),
        setting(
            *INPUT,
            "pattern",
            hostile_object("Mine", "builtins", "keras_reprogram>Mine"),
        ),
        setting(
            *INPUT,
            "placement",
            {"class_name": "function", "config": "eval", "module": "builtins"},
        ),
        setting(*INPUT, "pattern", "config", "activation", "../../etc/passwd"),
        setting(*INPUT, "pattern", "config", "initializer", "Lambda"),
        setting(*LABEL, "num_classes", "three"),
        setting(*LABEL, "num_classes", 10**12),
        setting(*LABEL, "num_classes", 4),
        setting(*LABEL, "num_classes", None),
        setting(*LABEL, "from_logits", "no"),
        setting(*LABEL, "multi_label", 1),
        setting(*LABEL, "mapping", "config", "regularization", "x"),
        setting(*LABEL, "mapping", "config", "regularization", -1),
        setting(*LABEL, "mapping", {"class_name": "__lambda__", "config": {}}),
        setting(*LABEL, "mapping", "nonsense"),
    ],
)
def test_a_hostile_header_is_a_value_error(program, source, change):
    rewrite(program, change)
    with pytest.raises(ValueError, match="Received: "):
        ReprogrammedModel.load_program(program, source)


def test_numbers_of_source_classes_are_no_sizes(tmp_path):
    inputs = keras.Input((2, 2, 1))
    outputs = keras.layers.Dense(21841)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)
    groups = [[21840, 20000], [21839]]
    model = ReprogrammedModel(
        source, InputReprogrammer((2, 2, 1)), LabelMapper(2, groups)
    )
    model.save_program(tmp_path / "task.program")
    copy = ReprogrammedModel.load_program(tmp_path / "task.program", source)
    assert copy.label_mapper.mapping.groups == groups


def test_a_canvas_of_an_absurd_size_is_not_built(images, labels, tmp_path):
    """On a source that takes any size, nothing else would refuse it."""
    inputs = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    source = keras.Model(inputs, keras.layers.Dense(6)(pooled))
    model = ReprogrammedModel(
        source,
        InputReprogrammer((4, 4, 1), (8, 8, 3)),
        LabelMapper(3, "random"),
    )
    path = tmp_path / "task.program"
    model.save_program(path)
    rewrite(path, setting(*INPUT, "source_shape", [8000, 8000, 3]))
    with pytest.raises(ValueError, match="absurd"):
        ReprogrammedModel.load_program(path, source)


def test_many_or_large_variables_are_not_read(program, source):
    def many(header):
        header["variables"] *= 1000

    def large(header):
        header["variables"][0]["shape"] = [2**29]

    for change in (many, large):
        content = program.read_bytes()
        rewrite(program, change)
        with pytest.raises(ValueError, match="Received: "):
            ReprogrammedModel.load_program(program, source)
        program.write_bytes(content)


def test_an_unknown_compression_is_a_value_error(program, source):
    with zipfile.ZipFile(program) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    for compression in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        with zipfile.ZipFile(program, "w", compression) as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
        with pytest.raises(ValueError, match="compressed"):
            ReprogrammedModel.load_program(program, source)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def array_bytes(value):
    import io

    stream = io.BytesIO()
    np.save(stream, value, allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    "members",
    [
        {"program.json": b"[]"},
        {"program.json": b"\xff\xfe"},
        {"program.json": b"[" * 100_000},
        {"program.json": None},
        {"variables/0.npy": None},
        {"variables/0.npy": b""},
        {"variables/0.npy": pickle.dumps(Bomb())},
        {"variables/0.npy": array_bytes(np.array([Bomb()] * 144))},
        {"variables/0.npy": array_bytes(np.zeros(144, "int32"))},
        {"variables/0.npy": array_bytes(np.zeros(144, "float32"))[:10]},
        {
            "variables/0.npy": array_bytes(np.zeros(144, "float32")).replace(
                b"{'descr'", b"{((((((("
            )
        },
        {"variables/0.npy": array_bytes(np.zeros((12, 12), "float32"))},
        {"variables/0.npy": array_bytes(np.full(144, np.nan, "float32"))},
        {"variables/0.npy": array_bytes(np.zeros(144, "float32")) + b"more"},
        {"../outside.npy": b"x"},
        {"/etc/outside.npy": b"x"},
        {"variables/9.npy": b"x"},
    ],
)
def test_hostile_members_are_a_value_error(
    program, source, members, monkeypatch
):
    monkeypatch.chdir(program.parent)
    rewrite(program, members=members)
    with pytest.raises(ValueError, match="Received: "):
        ReprogrammedModel.load_program(program, source)
    assert os.listdir(program.parent) == [program.name]


def test_a_missing_file_is_a_value_error(source, tmp_path):
    for path in (tmp_path / "none.program", tmp_path):
        with pytest.raises(ValueError, match="must be a program file"):
            ReprogrammedModel.load_program(path, source)


def test_what_is_not_a_path_or_a_source_is_a_value_error(program, source):
    with pytest.raises(ValueError, match="must be a program file"):
        ReprogrammedModel.load_program(None, source)
    for wrong in (5, keras.Sequential([keras.layers.Dense(6)])):
        with pytest.raises(ValueError, match="`source` must be"):
            ReprogrammedModel.load_program(program, wrong)


def test_a_source_that_does_not_fit_is_not_a_damaged_file(program):
    inputs = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(inputs)
    classes = keras.Model(inputs, keras.layers.Dense(9)(flat))
    inputs = keras.Input((9, 9, 3))
    flat = keras.layers.Flatten()(inputs)
    shape = keras.Model(inputs, keras.layers.Dense(6)(flat))
    for other, message in ((classes, "6 source classes"), (shape, "(8, 8, 3)")):
        with pytest.raises(ValueError, match=re.escape(message)) as error:
            ReprogrammedModel.load_program(program, other, check_source=False)
        assert "damaged" not in str(error.value)


def test_a_bfloat16_program_survives(source, images, labels, tmp_path):
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            (4, 4, 1),
            pattern=UniversalPattern(
                initializer="random_normal", dtype="bfloat16"
            ),
        ),
        LabelMapper(3, dtype="bfloat16"),
    )
    model.adapt(images, labels, verbose=0)
    model.save_program(tmp_path / "task.program")
    loaded = ReprogrammedModel.load_program(tmp_path / "task.program", source)
    for new, old in zip(loaded.program_variables, model.program_variables):
        assert new.dtype == "bfloat16"
        np.testing.assert_array_equal(
            *(
                keras.ops.convert_to_numpy(keras.ops.cast(v, "float32"))
                for v in (new, old)
            )
        )


@keras.saving.register_keras_serializable(package="mine")
class Mine(UniversalPattern):
    """A program of a user's own."""


@pytest.mark.parametrize(
    "make",
    [
        lambda: UniversalPattern(activation=lambda x: x * 2),
        lambda: UniversalPattern(activation=array_bytes),
        lambda: Mine(),
        lambda: UniversalPattern(
            initializer=keras.initializers.Constant(np.nan)
        ),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(source, tmp_path, make):
    model = ReprogrammedModel(
        source,
        InputReprogrammer((4, 4, 1), pattern=make()),
        LabelMapper(3, "random"),
    )
    with pytest.raises(ValueError, match="Received: "):
        model.save_program(tmp_path / "task.program")
    assert not list(tmp_path.iterdir())


def test_a_failure_while_writing_leaves_the_old_file(
    trained, program, monkeypatch
):
    content = program.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(OSError, match="disk full"):
        trained.save_program(program)
    assert program.read_bytes() == content
    assert os.listdir(program.parent) == [program.name]


def test_a_kill_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "task.program"
    code = f"""{SOURCE_CODE}
import os
import keras_reprogram as kr
model = kr.ReprogrammedModel(
    source, kr.InputReprogrammer((4, 4, 1)), kr.LabelMapper(3, "random")
)
model.save_program({str(path)!r})
numpy.lib.format.write_array = lambda *_, **__: os.kill(os.getpid(), 9)
model.save_program({str(path)!r})
"""
    result = subprocess.run([sys.executable, "-c", code])
    assert result.returncode == -9
    names = {}
    exec(SOURCE_CODE, names)
    ReprogrammedModel.load_program(path, names["source"])
