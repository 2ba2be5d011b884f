"""Texts of objects: the call of a constructor that makes an equal one."""

import dataclasses
import inspect
import itertools
from collections.abc import Iterable
from types import FunctionType
from typing import Any

import keras
import numpy as np
from keras import ops

# Of every Keras object.
LEFT_OUT = {"name", "dtype"}
# Characters of a list or a string. Longer ones are shortened.
LONGEST = 60


def constructor_call(instance: Any) -> str:
    """Returns `Pad(inner_size=128)`: the arguments that are not the defaults.

    This is the `__repr__` of classes with a `get_config`, of dataclasses and
    of named tuples. Evaluating it makes an equal object, except for arrays, of
    which shape and dtype are shown, and for long lists and strings.

    Args:
        instance: The object.
    """
    defaults = defaults_of(type(instance))
    shown = [
        f"{name}={text_of(value)}"
        for name, value in arguments_of(instance).items()
        if name not in LEFT_OUT and not is_default(value, defaults.get(name))
    ]
    return f"{type(instance).__name__}({', '.join(shown)})"


def arguments_of(instance: Any) -> dict[str, Any]:
    """Returns the values of a constructor's arguments, by name."""
    if not hasattr(instance, "get_config"):
        names = type(instance).__match_args__
        return {name: getattr(instance, name) for name in names}
    config = instance.get_config()
    return {
        name: object_of(value, getattr(instance, name, None))
        for name, value in config.items()
    }


def object_of(value: Any, attribute: Any) -> Any:
    """Returns the object of a config, the attribute of its name if it is it."""
    if isinstance(value, (list, tuple)) and isinstance(
        attribute, (list, tuple)
    ):
        pairs = itertools.zip_longest(value, attribute[: len(value)])
        return type(value)(object_of(*pair) for pair in pairs)
    if not isinstance(value, dict) or "class_name" not in value:
        return value
    if type(attribute).__name__ == value["class_name"]:
        return attribute
    return keras.saving.deserialize_keras_object(value)


def defaults_of(cls: type) -> dict[str, Any]:
    """Returns the defaults of a constructor's arguments, by name.

    Those that `**kwargs` passes on are the base class's.
    """
    defaults: dict[str, Any] = {}
    for base in cls.__mro__:
        # A named tuple has the second alone.
        own = vars(base).get("__init__") or vars(base).get("__new__")
        if own is None:
            continue
        parameters = inspect.signature(own).parameters.values()
        for parameter in parameters:
            defaults.setdefault(parameter.name, parameter.default)
        if all(it.kind is not it.VAR_KEYWORD for it in parameters):
            break
    if dataclasses.is_dataclass(cls):
        for field in dataclasses.fields(cls):
            if callable(field.default_factory):
                defaults[field.name] = field.default_factory()
    return defaults


def is_default(value: Any, default: Any) -> bool:
    """Whether an argument is the default, or the object of its name."""
    text = text_of(value)
    if isinstance(default, str) and not isinstance(value, str):
        return text.lower() == f"{default.replace('_', '')}()"
    if isinstance(value, list) and isinstance(default, tuple):
        default = list(default)
    return text == text_of(default)


def text_of(value: Any) -> str:
    """Returns a short text of an argument."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        # Keras returns a learning rate of 0.1 as 0.10000000149011612.
        single = np.float32(value)
        return str(single) if single == value else repr(value)
    if isinstance(value, (np.ndarray, keras.Variable)) or ops.is_tensor(value):
        dtype = keras.backend.standardize_dtype(value.dtype)
        return f"<array shape={tuple(value.shape)}, dtype={dtype}>"
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{value[:LONGEST]!r}..."
    if type(value) is dict:
        items = (f"{key!r}: {text_of(item)}" for key, item in value.items())
        return f"{{{joined(items)}}}"
    if type(value) is list:
        return text_of_list(value)
    if type(value) is tuple:
        comma = "," if len(value) == 1 else ""
        return f"({joined(map(text_of, value))}{comma})"
    if isinstance(value, FunctionType):
        return repr(value.__name__)
    own: object = type(value).__repr__
    if own is object.__repr__ and hasattr(value, "get_config"):
        return constructor_call(value)
    return repr(value)


def text_of_list(value: list[Any]) -> str:
    """Returns a text of a list, of a long one of equal lists its shape."""
    if value and isinstance(value[0], list):
        lengths = {len(row) if isinstance(row, list) else 0 for row in value}
        if len(lengths) == 1 and len(value) * len(value[0]) > LONGEST // 4:
            return text_of(np.asarray(value))
    return f"[{joined(map(text_of, value))}]"


def joined(texts: Iterable[str]) -> str:
    """Returns texts with commas between them, the first ones of many."""
    found: list[str] = []
    for text in texts:
        if sum(map(len, found)) > LONGEST:
            return ", ".join([*found, "..."])
        found.append(text)
    return ", ".join(found)
