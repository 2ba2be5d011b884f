import importlib
import pkgutil
import pydoc
import rlcompleter
import sys
import types

import pytest

import keras_reprogram

pytestmark = pytest.mark.numpy_alone

PUBLIC_MODULES = {
    name: value
    for name, value in vars(keras_reprogram).items()
    if name in keras_reprogram.__all__ and isinstance(value, types.ModuleType)
}
# Rooms whose functions are methods of public classes.
WITHOUT_PUBLIC_NAMES = {"saving", "selection"}


def test_every_room_is_public():
    rooms = {
        item.name
        for item in pkgutil.iter_modules(keras_reprogram.__path__)
        if item.ispkg
    }
    assert rooms - set(PUBLIC_MODULES) == WITHOUT_PUBLIC_NAMES


@pytest.mark.parametrize("name", ["", *PUBLIC_MODULES])
def test_completion_shows_public_names_alone(name):
    module = importlib.import_module(f"keras_reprogram.{name}".rstrip("."))
    assert dir(module) == sorted(set(module.__all__))
    if name:
        for own in dir(module):
            value = getattr(module, own)
            assert not isinstance(value, types.ModuleType)
            home = getattr(value, "__module__", "keras_reprogram")
            assert home.partition(".")[0] == "keras_reprogram"
    namespace = {}
    exec(f"from {module.__name__} import *", namespace)
    assert namespace.keys() - {"__builtins__"} == set(module.__all__)


def test_a_terminal_completes_public_names():
    completer = rlcompleter.Completer({"keras_reprogram": keras_reprogram})
    found = completer.attr_matches("keras_reprogram.inputs.Pa")
    assert [name.rstrip("(") for name in found] == [
        "keras_reprogram.inputs.Pad",
        "keras_reprogram.inputs.Patch",
        "keras_reprogram.inputs.Pattern",
    ]


def test_what_is_not_listed_is_an_attribute_all_the_same():
    assert keras_reprogram.configurable.PACKAGE == "keras_reprogram"


@pytest.mark.parametrize("name", keras_reprogram.methods.__all__)
def test_help_of_a_method_shows_its_signature_and_its_page(name):
    function = getattr(keras_reprogram.methods, name)
    shown = pydoc.plain(pydoc.render_doc(function))
    title, _, signature, *text = shown.split("\n")
    assert f"function {name} in module keras_reprogram.methods" in title
    assert "(source: '" in signature and "keras.src" not in shown
    page = sys.modules[function.__module__].__doc__.strip()
    assert "\n".join(text).replace("\n    ", "\n").strip().startswith(page)
    for section in ("Example:", "Args:", "Returns:"):
        assert shown.count(section) == 1
    by_name = pydoc.plain(pydoc.render_doc(f"keras_reprogram.methods.{name}"))
    assert text[:2] == by_name.split("\n")[3:5]
