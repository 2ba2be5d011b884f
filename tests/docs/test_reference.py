"""The API reference has every public name, once."""

import collections
import inspect
import pathlib
import re
import sys
import types

import pytest

import keras_reprogram

sys.path.append(str(pathlib.Path(__file__).parents[2] / "docs"))

import method_entries  # noqa: E402
import method_pages  # noqa: E402
import reference  # noqa: E402

BLOCK = re.compile(r"^::: (\S+)\n    options:\n      heading: (\S+)$", re.M)

pytestmark = pytest.mark.numpy_alone


def public_modules() -> dict[str, types.ModuleType]:
    members = {
        name: getattr(keras_reprogram, name) for name in keras_reprogram.__all__
    }
    return {
        name: member
        for name, member in members.items()
        if inspect.ismodule(member)
    }


def public_names() -> set[str]:
    return {
        f"keras_reprogram.{room}.{name}"
        for room, module in public_modules().items()
        for name in module.__all__
    }


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pages in Markdown that document names."""
    folder = tmp_path_factory.mktemp("pages")
    reference.write(folder / "api")
    pages = {path.stem: path.read_text() for path in folder.rglob("*.md")}
    for page in method_pages.FILES:
        pages[f"methods/{page}"] = method_entries.entry(page, "https://host")
    return pages


def test_every_public_name_is_documented_once(sources):
    found = [
        heading
        for text in sources.values()
        for _, heading in BLOCK.findall(text)
    ]
    twice = [name for name, n in collections.Counter(found).items() if n > 1]
    assert twice == [] and set(found) == public_names()


def test_no_object_is_documented_under_two_names(sources):
    identifiers = [
        identifier
        for text in sources.values()
        for identifier, _ in BLOCK.findall(text)
    ]
    assert len(set(identifiers)) == len(identifiers) > 150


def test_the_first_page_leads_to_what_the_package_exports(sources):
    index = sources["index"]
    for name in set(keras_reprogram.__all__) - {"__version__"}:
        assert f"[`{name}`]" in index, name
    for module in reference.pages():
        title = module.removeprefix("keras_reprogram.")
        assert f"]({title}.md)" in index and title in sources


def test_every_documented_name_has_a_summary():
    names = reference.documented()
    assert [name.public for name in names if not name.summary] == []


def test_folders_of_a_room_have_pages_of_their_own():
    pages = {
        name.public: page
        for page, names in reference.pages().items()
        for name in names
    }
    assert pages["keras_reprogram.inputs.Pad"] == (
        "keras_reprogram.inputs.images"
    )
    assert pages["keras_reprogram.inputs.InputReprogrammer"] == (
        "keras_reprogram.inputs"
    )
    assert pages["keras_reprogram.recipes.few_samples"] == (
        "keras_reprogram.recipes"
    )
