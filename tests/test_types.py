"""The package's annotations say what there is."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
# Annotations that take anything, beyond tensors, which have an alias.
MOST_ANY = 100

pytestmark = pytest.mark.numpy_alone


def output_of(module: str, *arguments: str) -> str:
    """What a checker prints about the package."""
    pytest.importorskip(module)
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def test_mypy_passes():
    output = output_of("mypy")
    assert output.startswith("Success"), output


def test_few_annotations_take_anything():
    options = "check", "--select", "ANN401", "--output-format", "json"
    found = json.loads(output_of("ruff", *options, "keras_reprogram"))
    places = [f"{item['filename']}:{item['location']['row']}" for item in found]
    assert len(places) < MOST_ANY, places
