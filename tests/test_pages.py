"""The pages written by hand name what is there, and their code compiles."""

import ast
import builtins
import functools
import inspect
import pathlib
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import keras
import pytest

import keras_reprogram

ROOT = pathlib.Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs" / "pages").glob("*.md"))
ROOMS = [
    name
    for name in keras_reprogram.__all__
    if inspect.ismodule(getattr(keras_reprogram, name))
]
KERAS_ROOMS = (
    keras,
    keras.callbacks,
    keras.distribution,
    keras.layers,
    keras.losses,
    keras.metrics,
    keras.optimizers,
    keras.optimizers.schedules,
    keras.utils,
)
OTHER_LIBRARIES = {"DataLoader", "ToTensor"}
REPOSITORY = "https://github.com/OWNER/keras-reprogram/blob/main/"

pytestmark = [
    pytest.mark.numpy_alone,
    pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem),
]


# === What a page holds ===


def fences(text: str) -> Iterator[tuple[str, str]]:
    """Language and code of each fence, indented ones included."""
    pattern = r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$"
    for _, language, code in re.findall(
        pattern, text, re.MULTILINE | re.DOTALL
    ):
        yield language, textwrap.dedent(code)


def python_trees(page: pathlib.Path) -> list[ast.Module]:
    return [
        ast.parse(code)
        for language, code in fences(page.read_text())
        if language == "python"
    ]


def inline_code(page: pathlib.Path) -> list[str]:
    prose = re.sub(
        r"^ *```.*?^ *```$",
        "",
        page.read_text(),
        flags=re.MULTILINE | re.DOTALL,
    )
    return re.findall(r"`([^`\n]+)`", prose)


# === What a name stands for ===


@functools.cache
def public_names() -> dict[str, Any]:
    """Everything public by its last name, the package's first of all."""
    names: dict[str, Any] = dict(vars(builtins))
    for room in KERAS_ROOMS:
        names.update(vars(room))
    for room in [keras_reprogram, *map(package_room, ROOMS)]:
        listed = getattr(room, "__all__", None) or dir(room)
        for name in listed:
            names[name] = getattr(room, name)
    return names


def package_room(name: str) -> Any:
    return getattr(keras_reprogram, name)


def resolved(path: str) -> Any:
    """The object at a path such as `keras_reprogram.inputs.Pad`.

    Raises:
        AttributeError: If there is no such object.
    """
    module, _, name = path.rpartition(".")
    # A function may have the name of its module, and be in front of it.
    if module in sys.modules and hasattr(sys.modules[module], name):
        return getattr(sys.modules[module], name)
    found = keras_reprogram
    for part in path.split(".")[1:]:
        found = getattr(found, part)
    return found


def aliases(trees: list[ast.Module]) -> dict[str, str]:
    """Names that imports of the page bind, with the paths they stand for."""
    bound = {"keras_reprogram": "keras_reprogram"}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    if name.name.startswith("keras_reprogram"):
                        bound[name.asname or name.name] = name.name
            elif isinstance(node, ast.ImportFrom):
                module = node.module or ""
                if module.split(".")[0] == "keras_reprogram":
                    for name in node.names:
                        path = f"{module}.{name.name}"
                        bound[name.asname or name.name] = path
    return bound


def dotted(node: ast.AST) -> str | None:
    """A chain of attributes as a path, or `None` for other expressions."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        start = dotted(node.value)
        return None if start is None else f"{start}.{node.attr}"
    return None


def package_path(node: ast.AST, bound: dict[str, str]) -> str | None:
    path = dotted(node)
    if path is None:
        return None
    first, _, rest = path.partition(".")
    if first not in bound:
        return None
    return f"{bound[first]}.{rest}" if rest else bound[first]


def check_keywords(call: ast.Call, path: str) -> None:
    """Raises if a call passes an argument that is not there."""
    parameters = inspect.signature(resolved(path)).parameters
    takes_others = any(
        parameter.kind is parameter.VAR_KEYWORD
        for parameter in parameters.values()
    )
    for keyword in call.keywords:
        if keyword.arg is not None and not takes_others:
            assert keyword.arg in parameters, f"{path}({keyword.arg}=...)"


def kinds(trees: list[ast.Module], bound: dict[str, str]) -> dict[str, type]:
    """Classes of variables that are made by a call of the package."""
    found: dict[str, type] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if not (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Call)
                and isinstance(node.targets[0], ast.Name)
            ):
                continue
            path = package_path(node.value.func, bound)
            if path is None:
                continue
            made = resolved(path)
            if ".methods." in path or path.endswith("few_samples"):
                made = keras_reprogram.ReprogrammedModel
            if inspect.isclass(made):
                found[node.targets[0].id] = made
    return found


# === Tests ===


def test_python_compiles_and_names_only_what_is_there(page):
    trees = python_trees(page)
    bound = aliases(trees)
    for path in bound.values():
        resolved(path)
    made = kinds(trees, bound)
    for tree in trees:
        for node in ast.walk(tree):
            path = None
            if isinstance(node, ast.Attribute):
                path = package_path(node, bound)
            if path is not None:
                resolved(path)
            if not isinstance(node, ast.Call):
                continue
            path = package_path(node.func, bound)
            if path is not None:
                check_keywords(node, path)
            called = dotted(node.func)
            if called is not None and called.count(".") == 1:
                variable, method = called.split(".")
                if variable in made:
                    assert hasattr(made[variable], method), called


def test_inline_code_names_only_what_is_there(page):
    unknown = []
    for code in inline_code(page):
        for path in re.findall(r"\bkeras_reprogram(?:\.\w+)+", code):
            resolved(path)
        for room, rest in re.findall(r"(?<![\w.])(\w+)((?:\.\w+)+)", code):
            if room in ROOMS and rest != ".py":
                resolved(f"keras_reprogram.{room}{rest}")
        match = re.match(r"([A-Z]\w*[a-z]\w*)(?=\(|$)", code)
        if match and match[1] not in public_names():
            unknown.append(match[1])
    assert set(unknown) - OTHER_LIBRARIES == set()


def test_links_lead_to_public_names_and_to_files(page):
    text = page.read_text()
    for path in re.findall(r"\]\[(keras_reprogram[\w.]*)\]", text):
        resolved(path)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    for link in links:
        if link.startswith(REPOSITORY):
            path = link.removeprefix(REPOSITORY).split("#")[0]
            assert (ROOT / path).exists(), link
        elif not link.startswith(("http", "#", "mailto:")):
            # Guides and methods are pages that the site makes.
            assert not link.startswith(("/", "../")), link
