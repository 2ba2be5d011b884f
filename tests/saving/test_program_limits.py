"""Files that would take more than they hold, or are not whole."""

import json
import os
import struct
import zipfile

import keras
import numpy as np
import pytest

import keras_reprogram
from keras_reprogram.saving import file_errors
from keras_reprogram.saving import program_header
from keras_reprogram.saving import program_limits
from keras_reprogram.saving import program_matrices

LONGEST = 2000
INPUT = ("inputs", 0, "config")
LABEL = ("output", "config")
PATTERN = (*INPUT, "pattern", "config")


@pytest.fixture
def any_size():
    """A source that takes images of any size, with 1,000 classes."""
    inputs = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, keras.layers.Dense(1000)(pooled))


@pytest.fixture
def never_built(monkeypatch):
    """Fails where a program is put in front of its source."""

    def fail(*args, **kwargs):
        raise AssertionError("the program was built")

    def forbid():
        model = keras_reprogram.ReprogrammedModel
        monkeypatch.setattr(model, "__init__", fail)

    return forbid


def saved(path, source, pattern="everywhere", mapper=None, **kwargs):
    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer(
            (4, 4, 1), (8, 8, 3), pattern=pattern, **kwargs
        ),
        mapper or keras_reprogram.LabelMapper(3, "random"),
    )
    model.save_program(path)
    return model


def contents_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, contents):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def array_bytes(value):
    import io

    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(value))
    return stream.getvalue()


def change(path, *changes):
    """Changes entries of the header, and arrays with their declarations."""
    contents = contents_of(path)
    header = json.loads(contents["program.json"])
    for *keys, last, value in changes:
        place = header
        for key in keys:
            place = place[key]
        place[last] = value
    for index, variable in enumerate(header["variables"]):
        if variable["dtype"] in program_header.DTYPES:
            array = np.zeros(variable["shape"], variable["dtype"])
            contents[f"variables/{index}.npy"] = array_bytes(array)
    contents["program.json"] = json.dumps(header).encode()
    write(path, contents)


def refused(path, source, **kwargs):
    """What is said of a file that is refused."""
    load = keras_reprogram.ReprogrammedModel.load_program
    with pytest.raises(ValueError, match="Received: ") as error:
        load(path, source, **kwargs)
    each = error.value
    while each is not None:
        assert len(str(each)) <= LONGEST
        each = each.__cause__ or each.__context__
    return str(error.value)


def described(name, **config):
    return {
        "module": "keras_reprogram.outputs.mappings.linear",
        "class_name": name,
        "registered_name": f"keras_reprogram>{name}",
        "config": config,
    }


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "changes",
    [
        [(*INPUT, "source_shape", [4096, 2730, 3])],
        [(*PATTERN, "basis", described("Grid", size=9))],
        [
            (*INPUT, "source_shape", [4096, 2730, 3]),
            (*PATTERN, "basis", described("Grid", size=2730)),
            ("variables", 0, "shape", [1]),
        ],
        [
            (*INPUT, "source_shape", [4096, 2730, 3]),
            (*PATTERN, "basis", described("LowRank", rank=2730)),
        ],
        [
            (*INPUT, "source_shape", [4096, 2730, 3]),
            (*PATTERN, "basis", described("Cosine", size=2730)),
        ],
        [(*INPUT, "pattern", described("RandomPatchPattern", size=7))],
        [(*INPUT, "pattern", described("ConvolutionPattern", kernel_size=7))],
        [
            (
                *INPUT,
                "pattern",
                described("SampleMaskedPattern", filters=[1024] * 16),
            )
        ],
        [(*INPUT, "pattern", described("CoordinatorPattern"))],
        [
            (*INPUT, "target_shape", [4]),
            (
                *INPUT,
                "placement",
                described("TokenPatches", vocabulary_size=2**30, patch_size=2),
            ),
        ],
        [(*LABEL, "num_classes", 500)],
        [(*LABEL, "num_classes", 2**40)],
        [(*LABEL, "sources_per_target", 300)],
        [(*LABEL, "mapping", described("LinearMapping"))],
        [(*LABEL, "mapping", described("FixedMapping", groups=[[], [], []]))],
        [
            (*LABEL, "num_classes", 50_000),
            (
                *LABEL,
                "mapping",
                described("FixedMapping", groups=[[]] * 50_000),
            ),
            ("variables", 1, "shape", [50_000, 0]),
        ],
        [
            (
                *LABEL,
                "mapping",
                described("FixedMapping", groups=[[0], [1], [1000]]),
            )
        ],
        [
            (
                *LABEL,
                "mapping",
                described("FixedMapping", groups=[[0], [1], [-1]]),
            )
        ],
        [
            (
                *LABEL,
                "mapping",
                described("FixedMapping", matrix=[[0, 1]] * 1000),
            )
        ],
        [
            ("variables", 1, "shape", [1000, 3]),
            ("variables", 1, "dtype", "float32"),
            (
                *LABEL,
                "mapping",
                described(
                    "AttributeMapping", kinds=[[[0], [1], [1000]]], top_k=1
                ),
            ),
        ],
        [("output", described("RegressionHead", num_outputs=2**20))],
        [("output", described("ForecastHead", horizon=2**20))],
        [("output", described("ForecastHead", horizon=8, channels=[2**40]))],
        [
            (
                "output",
                described(
                    "ForecastHead",
                    horizon=2**14,
                    quantiles=[step / 9999 for step in range(1, 9999)],
                ),
            )
        ],
        [("variables", 0, "dtype", "int32")],
        [("variables", 1, "dtype", "float32")],
        [("variables", 0, "shape", [12, 4, 4])],
        [("sources", 0, "output_shape", [])],
        [("sources", 0, "output_shape", [None])],
        [("sources", 0, "output_shape", [7] * 100_000)],
        [(*INPUT, "scale", [1.5] * 100_000)],
        [(*INPUT, "source_shape", [9] * 100_000)],
        [("inputs", 0, "class_name", "x" * 100_000)],
        [("variables", 1, "dtype", "x" * 100_000)],
        [("version", "x" * 100_000)],
        [(*INPUT, "target_shape", [[], [], []])],
        [(*INPUT, "target_shape", [2.0, 2.0, 1.0])],
        [(*INPUT, "target_shape", [True, True, True])],
        [(*PATTERN, "seed", 2**62), (*PATTERN, "dropout", "much")],
    ],
)
def test_what_takes_more_than_the_file_holds_is_not_built(
    any_size, tmp_path, never_built, changes
):
    path = tmp_path / "task.program"
    saved(path, any_size)
    change(path, *changes)
    never_built()
    assert "was built" not in refused(path, any_size, check_source=False)


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "header",
    [
        b"[" + b"[]," * 1_000_000 + b"0]",
        b"[" + b"{}," * 1_000_000 + b"0]",
        b"[" + b'"",' * 1_000_000 + b"0]",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
        b" " * (2**22 + 1),
        b"9" * 5000,
        b'{"format": 1' + b"9" * 30 + b"}",
        b'{"format": NaN}',
        b'{"format": 1e999}',
        b'{"format": "keras-reprogram program", "format": 1}',
        b'"\xff"',
        b"",
    ],
)
def test_a_header_of_many_parts_is_refused(any_size, tmp_path, header):
    path = tmp_path / "task.program"
    saved(path, any_size)
    write(path, {**contents_of(path), "program.json": header})
    refused(path, any_size)


@pytest.mark.numpy_alone
def test_a_header_that_claims_to_be_short_is_not_read_whole(any_size, tmp_path):
    path = tmp_path / "task.program"
    saved(path, any_size)
    write(path, {**contents_of(path), "program.json": b" " * 2**26})
    content = bytearray(path.read_bytes())
    for place, mark in ((22, b"PK\3\4"), (24, b"PK\1\2")):
        start = content.index(struct.pack("<L", 2**26))
        content[start : start + 4] = struct.pack("<L", 1000)
        assert content.index(mark) + place == start or mark == b"PK\1\2"
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("program.json").file_size == 1000
    refused(path, any_size)


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:-2] + b"\5\0hello",
        lambda content: content + b"x",
        lambda content: content[:-22] + b"PK\6\7" + bytes(16) + content[-22:],
        lambda content: content[:-14] + b"\xff\xff\xff\xff" + content[-10:],
        lambda content: content[:-10] + b"\xff\xff\xff\x7f" + content[-6:],
        lambda content: b"x" + content,
        lambda content: b"",
        lambda content: content[-22:],
    ],
)
def test_an_archive_that_is_not_whole_is_refused(any_size, tmp_path, spoil):
    path = tmp_path / "task.program"
    saved(path, any_size)
    path.write_bytes(spoil(path.read_bytes()))
    refused(path, any_size)


@pytest.mark.numpy_alone
def test_an_encrypted_member_is_refused(any_size, tmp_path):
    path = tmp_path / "task.program"
    saved(path, any_size)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    assert "encrypted" in refused(path, any_size)


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "content",
    [
        array_bytes(np.asfortranarray(np.zeros((3, 2), "int32"))),
        array_bytes(np.zeros((3, 1), ">i4")),
        array_bytes(np.zeros((3, 1), "int32")).replace(b"NUMPY\1", b"NUMPY\3"),
        array_bytes(np.zeros((3, 1), "int32")).replace(b"(3, 1)", b"(9, 9)"),
        array_bytes(np.zeros((3, 1), "int32")).replace(b"<i4", b"|O8"),
        array_bytes(np.zeros((3, 1), "int32"))[:-1],
        array_bytes(np.zeros((3, 1), "int32")) + b"x",
        b"\x93NUMPY\1\0" + b"\xff" * 150,
    ],
)
def test_an_array_that_is_not_as_declared_is_refused(
    any_size, tmp_path, content
):
    path = tmp_path / "task.program"
    saved(path, any_size)
    write(path, {**contents_of(path), "variables/1.npy": content})
    refused(path, any_size)


@pytest.mark.numpy_alone
def test_numbers_beyond_the_variables_dtype_are_refused(any_size, tmp_path):
    path = tmp_path / "task.program"
    for policy, value in (("float32", 1e39), ("float16", 1e6)):
        program = keras_reprogram.inputs.UniversalPattern(dtype=policy)
        saved(path, any_size, program)
        change(path, ("variables", 0, "dtype", "float64"))
        contents = contents_of(path)
        contents["variables/0.npy"] = array_bytes(np.full(192, value))
        write(path, contents)
        assert f"beyond {policy}" in refused(path, any_size)


@pytest.mark.numpy_alone
def test_what_is_no_regular_file_is_refused(any_size, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    paths = (tmp_path / "pipe", "/dev/zero", tmp_path, "x" * 5000, "a\0b")
    for path in paths:
        refused(path, any_size)


@pytest.mark.numpy_alone
def test_a_file_without_permission_is_a_value_error(
    any_size, tmp_path, monkeypatch
):
    path = tmp_path / "task.program"
    saved(path, any_size)

    def denied(*args, **kwargs):
        raise PermissionError("denied")

    monkeypatch.setattr("builtins.open", denied)
    assert "denied" in refused(path, any_size)


@pytest.mark.numpy_alone
def test_memory_that_runs_out_is_a_value_error(any_size, tmp_path, monkeypatch):
    path = tmp_path / "task.program"
    saved(path, any_size)
    for kind in (MemoryError, RecursionError, OverflowError):

        def fail(*args, kind=kind):
            raise kind("x" * 10_000)

        monkeypatch.setattr(program_limits, "check", fail)
        refused(path, any_size)
    monkeypatch.setattr(program_limits, "check", interrupt)
    with pytest.raises(KeyboardInterrupt):
        keras_reprogram.ReprogrammedModel.load_program(path, any_size)


def interrupt(*args):
    raise KeyboardInterrupt


@pytest.mark.numpy_alone
def test_what_could_not_be_read_is_not_written(any_size, tmp_path, monkeypatch):
    path = tmp_path / "task.program"
    centroids = np.random.default_rng(0).normal(size=(1000, 1000))
    mapping = keras_reprogram.outputs.SimilarityMapping(centroids)
    model = keras_reprogram.ReprogrammedModel(
        any_size,
        keras_reprogram.InputReprogrammer((4, 4, 1), (8, 8, 3)),
        keras_reprogram.LabelMapper(3, mapping),
    )
    model.label_mapper.on_variables_loaded()
    with monkeypatch.context() as patched:
        patched.setattr(program_matrices, "SMALLEST", 10**9)
        with pytest.raises(ValueError, match="bytes"):
            model.save_program(path)
    monkeypatch.setattr(program_header, "LARGEST_TOTAL", 1000)
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        saved(path, any_size, mapper=keras_reprogram.LabelMapper(300, "random"))
    assert os.listdir(tmp_path) == []


def test_a_program_is_read_without_its_start(any_size, tmp_path, monkeypatch):
    """Neither is a map solved nor an initializer run for stored values."""
    path = tmp_path / "task.program"
    program = keras_reprogram.inputs.UniversalPattern(
        "outside", initializer=keras.initializers.RandomNormal(seed=1)
    )
    placement = keras_reprogram.inputs.Pad(offset=(1, 2))
    model = saved(path, any_size, program, placement=placement)

    def fail(*args, **kwargs):
        raise AssertionError("solved again")

    mapping = keras_reprogram.outputs.RandomMapping
    monkeypatch.setattr(mapping, "solve", fail)
    monkeypatch.setattr(keras.initializers.RandomNormal, "__call__", fail)
    copy = keras_reprogram.ReprogrammedModel.load_program(path, any_size)
    for ours, theirs in zip(copy.program_variables, model.program_variables):
        np.testing.assert_array_equal(*map(as_array, (ours, theirs)))
    assert isinstance(copy.label_mapper.mapping, mapping)
    copied = copy.input_reprogrammer.pattern.initializer
    assert isinstance(copied, keras.initializers.RandomNormal)


def as_array(variable):
    return keras.ops.convert_to_numpy(variable.value)


@pytest.mark.numpy_alone
def test_a_bank_looks_at_a_file_before_it_builds_it(
    twelve_classes, tmp_path, never_built
):
    def program(shape=(4, 4, 1), classes=3, label_mapper=None):
        path = tmp_path / f"{len(os.listdir(tmp_path))}.program"
        model = keras_reprogram.ReprogrammedModel(
            twelve_classes,
            keras_reprogram.InputReprogrammer(shape),
            label_mapper or keras_reprogram.LabelMapper(classes, "random"),
        )
        if model.label_mapper.solved_flag is not None:
            model.label_mapper.on_variables_loaded()
        model.save_program(path)
        return path

    wrong = {
        "samples of up to": program(shape=(9, 4, 1)),
        "room for 4 classes": program(classes=5),
        "RegressionHead": program(
            label_mapper=keras_reprogram.outputs.RegressionHead()
        ),
    }
    bank = keras_reprogram.bank.ProgramBank(
        twelve_classes, sample_shape=(6, 6, 3), num_classes=4
    )
    never_built()
    for message, path in wrong.items():
        with pytest.raises(ValueError, match=message):
            bank.add({"task": path})
    assert bank.programs == {}


@pytest.mark.numpy_alone
def test_a_message_keeps_its_beginning_and_its_end():
    text = "begin" + "x" * 10_000 + "end"
    shortened = file_errors.shortened(text)
    assert len(shortened) == LONGEST
    assert shortened.startswith("begin") and shortened.endswith("end")
    assert file_errors.shortened("short") == "short"
