"""The objects of a program file, made from what their classes declare.

Keras looks names up in its registry, where a user's classes are, and imports
the modules that a config names. Here a name is that of a `ProgramPart` of
this package, that of one of Keras's own initializers, regularizers and dtype
policies, or an error. What a class receives are numbers, and the objects and
strings that it declares: there is nothing left for Keras to look up.
"""

import functools
import inspect
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import keras

from keras_reprogram.configurable import PACKAGE
from keras_reprogram.configurable import REGISTERED
from keras_reprogram.inputs import InputTransformation
from keras_reprogram.inputs.averaged_views import with_views_outside
from keras_reprogram.outputs import OutputMapping
from keras_reprogram.outputs.output_mapping import checked_names
from keras_reprogram.program_parts import Objects
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.program_parts import Strings
from keras_reprogram.saving.program_header import LONGEST_NAME
from keras_reprogram.saving.program_header import Header

MOST_OBJECTS = 2000
DEEPEST = 20  # objects and lists within each other
POLICIES = (
    "float16",
    "float32",
    "float64",
    "bfloat16",
    "mixed_float16",
    "mixed_bfloat16",
)


def classes_of(module: Any, base: type) -> dict[str, type]:
    """Keras's own classes of a kind, by the names that configs give them."""
    return {
        cls.__name__: cls
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, base) and cls is not base
    }


KERAS = {
    "keras": {"DTypePolicy": keras.DTypePolicy},
    "keras.initializers": classes_of(
        keras.initializers, keras.initializers.Initializer
    ),
    "keras.regularizers": classes_of(
        keras.regularizers, keras.regularizers.Regularizer
    ),
}
# What Keras's own classes would declare.
KERAS_STRINGS: Strings = {
    "distribution": (
        "normal",
        "truncated_normal",
        "uniform",
        "untruncated_normal",
    ),
    "mode": ("columns", "fan_avg", "fan_in", "fan_out", "rows"),
    "name": POLICIES,
}
LAYER_OBJECTS: Objects = {
    "activity_regularizer": keras.regularizers.Regularizer,
    "dtype": keras.DTypePolicy,
}
LAYER_STRINGS: Strings = {
    "dtype": {name: keras.DTypePolicy(name) for name in POLICIES}
}
# Keys of every layer's config.
LAYER_KEYS = {"activity_regularizer", "dtype", "name", "trainable"}
# These describe an object; where a layer was built follows from the source.
DESCRIPTION = {
    "build_config",
    "class_name",
    "config",
    "module",
    "registered_name",
}
NUMBERS = (bool, float, int, type(None))
NAMED = (
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


def build_ends(header: Header) -> dict[str, Any]:
    """Returns both ends of a program, neither built on a source yet.

    Args:
        header: A checked header, its configurations with their matrices.

    Returns:
        A dictionary of `"input_reprogrammer"` and `"label_mapper"`.

    Raises:
        Exception: Of any kind, if a configuration is not valid.
    """
    if sum(1 for _ in objects(header)) > MOST_OBJECTS:
        raise ValueError(f"a program holds at most {MOST_OBJECTS} objects")
    inputs = [build(each) for each in header["inputs"]]
    output_mapping = build(header["output"])
    if not all(isinstance(each, InputTransformation) for each in inputs):
        raise ValueError("an input is not an InputTransformation")
    if not isinstance(output_mapping, OutputMapping):
        raise ValueError("the output is not an OutputMapping")
    output_mapping.class_names = checked_names(header.get("class_names"))
    return {
        "input_reprogrammer": with_views_outside(inputs),
        "label_mapper": output_mapping,
    }


def objects(header: Header) -> Iterator[Any]:
    """All objects of the configurations, and strings of lists."""
    waiting: list[Any] = [header["inputs"], header["output"]]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            others = [each for each in value if type(each) not in NUMBERS]
            waiting += others
            yield from (each for each in others if isinstance(each, str))


def build(description: Any, depth: int = 0) -> Any:
    """Returns an object from what Keras wrote of it."""
    if not isinstance(description, dict):
        raise ValueError("a configuration is not that of an object")
    cls = class_of(description)
    config = description["config"]
    if not isinstance(config, dict) or not set(config) <= keys_of(cls):
        raise ValueError(f"a {cls.__name__} has no such configuration")
    arguments = {
        key: argument(cls, key, value, depth + 1)
        for key, value in config.items()
    }
    if issubclass(cls, ProgramPart) and hasattr(cls, "from_config"):
        return cls.from_config(arguments)
    # Not by `from_config`, which looks for objects once more.
    return cls(**arguments)


def class_of(description: dict[str, Any]) -> type:
    name, registered = (
        description.get(key) for key in ("class_name", "registered_name")
    )
    module = description.get("module")
    if set(description) <= DESCRIPTION and isinstance(name, str):
        own = REGISTERED.get(name)
        if registered == f"{PACKAGE}>{name}" and own is not None:
            if issubclass(own, ProgramPart):
                return own
        elif registered in (None, name) and isinstance(module, str):
            found: type | None = KERAS.get(module, {}).get(name)
            if found is not None:
                return found
    raise ValueError(
        f"the configuration names {module}.{name} ({registered}), which no "
        "program holds"
    )


@functools.cache
def keys_of(cls: type) -> frozenset[str]:
    """The keys of a class's config: the arguments of its constructors."""
    is_layer = issubclass(cls, keras.layers.Layer)
    keys = set(LAYER_KEYS) if is_layer else set()
    for base in cls.__mro__:
        if base is keras.layers.Layer:
            break
        if "__init__" not in vars(base):
            continue
        _, *parameters = inspect.signature(
            vars(base)["__init__"]
        ).parameters.values()
        keys |= {each.name for each in parameters if each.kind in NAMED}
        if all(each.kind != each.VAR_KEYWORD for each in parameters):
            break
    return frozenset(keys)


@functools.cache
def objects_of(cls: type) -> Objects:
    """What a class and its bases declare as `program_objects`."""
    return declared(cls, "program_objects", {}, LAYER_OBJECTS)


@functools.cache
def strings_of(cls: type) -> Strings:
    """What a class and its bases declare as `program_strings`."""
    return declared(cls, "program_strings", KERAS_STRINGS, LAYER_STRINGS)


def declared(
    cls: type,
    attribute: str,
    of_keras: Mapping[str, Any],
    of_layers: Mapping[str, Any],
) -> dict[str, Any]:
    if not issubclass(cls, ProgramPart):
        return dict(of_keras)
    found: dict[str, Any] = {}
    if issubclass(cls, keras.layers.Layer):
        found.update(of_layers)
    for base in reversed(cls.__mro__):
        found.update(vars(base).get(attribute, {}))
    return found


def argument(cls: type, key: str, value: Any, depth: int) -> Any:
    """Returns a value of a config as the class takes it."""
    if type(value) in NUMBERS:
        return value
    if depth > DEEPEST:
        raise ValueError("the configuration is nested too deeply")
    if isinstance(value, str):
        return string(cls, key, value)
    kind = objects_of(cls).get(key)
    if isinstance(value, list):
        if kind is not None and any(type(each) in NUMBERS for each in value):
            raise ValueError(f"`{key}` is a list of what is no object")
        return [
            each
            if type(each) in NUMBERS
            else argument(cls, key, each, depth + 1)
            for each in value
        ]
    if value.get("class_name") == "__tuple__":
        items = value["config"]["value"]
        if not isinstance(items, list):
            raise ValueError(f"`{key}` is not a tuple")
        return tuple(argument(cls, key, items, depth + 1))
    if kind is None or not issubclass(class_of(value), kind):
        raise ValueError(f"`{key}` is not what a program holds")
    return build(value, depth + 1)


def string(cls: type, key: str, value: str) -> Any:
    if (
        key == "name"
        and issubclass(cls, keras.layers.Layer)
        and len(value) <= LONGEST_NAME
    ):
        return value
    known = strings_of(cls).get(key, ())
    if value not in known:
        raise ValueError(f"`{key}` is a string that no program holds")
    return known[value] if isinstance(known, Mapping) else value
