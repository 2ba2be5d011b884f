"""What a reader of program files must refuse, and what it may ignore."""

import json
import pathlib
import zipfile

import pytest

from keras_reprogram.saving import program_header

pytestmark = pytest.mark.numpy_alone

FILE = (
    pathlib.Path(__file__).parents[1]
    / "data"
    / "programs_0_1_0"
    / "program_grid.program"
)


@pytest.fixture
def header():
    """A header of today, from one of version 0.1.0."""
    with zipfile.ZipFile(FILE) as archive:
        header = program_header.parsed(archive.read("program.json"))
    return {**header, "version": program_header.VERSION}


def parsed(header):
    return program_header.parsed(json.dumps(header).encode())


@pytest.mark.parametrize(
    "entries",
    [
        {"class_names": ["cat", "dog"]},
        {"class_names": None},
        {"tokenizer": "sha256:0123"},
        {"requires": []},
        {"of_a_later_version": {"any": [1, "thing"]}},
    ],
)
def test_optional_entries_and_unknown_ones_are_accepted(header, entries):
    assert parsed({**header, **entries}) == {**header, **entries}


@pytest.mark.parametrize(
    "entries",
    [
        {"version": 3},
        {"version": "2"},
        {"requires": ["several_sources"]},
        {"requires": "several_sources"},
        {"requires": [[]]},
        {"inputs": []},
        {"inputs": {}},
        {"sources": []},
        {"class_names": "cat"},
        {"class_names": ["cat", 3]},
        {"class_names": ["x" * 2000]},
        {"tokenizer": ["sha256:0123"]},
        {"tokenizer": "x" * 2000},
        {"tokenizer": None},
        {"output": {}},
        {"variables": [{"shape": [1], "dtype": "float32", "constant": 0}]},
    ],
)
def test_what_cannot_be_read_rightly_is_refused(header, entries):
    with pytest.raises((KeyError, TypeError, ValueError)):
        parsed({**header, **entries})


@pytest.mark.parametrize("entry", ["inputs", "sources"])
def test_there_are_as_many_inputs_as_sources(header, entry):
    with pytest.raises(ValueError, match="an input for each source"):
        parsed({**header, entry: 2 * header[entry]})
    for count in (0, 101):
        many = {name: count * header[name] for name in ("inputs", "sources")}
        with pytest.raises(ValueError, match="1 to 100 `inputs`"):
            parsed({**header, **many})
    two = {name: 2 * header[name] for name in ("inputs", "sources")}
    assert len(parsed({**header, **two})["inputs"]) == 2
