"""Small immutable choices, and the classes that Keras can serialize."""

import dataclasses
import math
import numbers
import operator
from collections.abc import Callable
from typing import Any
from typing import ClassVar
from typing import TypeVar

import keras
import numpy as np
from keras import ops

from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.representation import constructor_call

Class = TypeVar("Class", bound=type)
Object = TypeVar("Object")

PACKAGE = "keras_reprogram"
# The classes of this package that `serializable` has registered, by name.
REGISTERED: dict[str, type] = {}
# In Hz, of sound. A number below is probably in kHz.
SMALLEST_RATE, LARGEST_RATE = 1_000, 10_000_000


class Configurable(ProgramPart):
    """Gives a dataclass the `get_config` and `from_config` of a Keras object.

    A placement, a region or a mapping is a handful of settings and no state:
    a frozen dataclass whose fields are its config.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def get_config(self) -> dict[str, Any]:
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Configurable":
        return cls(**config)

    def set_fields(self, **fields: Any) -> None:
        """Sets fields of a frozen dataclass, checked, in `__post_init__`."""
        for name, value in fields.items():
            object.__setattr__(self, name, value)


def serializable(cls: Class) -> Class:
    """Registers a class under this package's name for Keras saving.

    Its `__repr__` is the call of its constructor, except for layers and
    metrics, which Keras represents.

    A class that is defined in this package and derives from `ProgramPart` may
    be named by a program file; a class that is defined elsewhere may not.

    Raises:
        ValueError: If the package has another class of this name.
    """
    name = cls.__name__
    if cls.__module__.partition(".")[0] == PACKAGE:
        known = REGISTERED.setdefault(name, cls)
        if (known.__module__, known.__qualname__) != (
            cls.__module__,
            cls.__qualname__,
        ):
            raise ValueError(
                "Two classes of this package have one name in saved files. "
                f"Received: {name} in {known.__module__} and {cls.__module__}"
            )
        REGISTERED[name] = cls
    if not issubclass(cls, (keras.layers.Layer, keras.metrics.Metric)):
        cls.__repr__ = constructor_call  # type: ignore
    register: Callable[[Class], Class] = (
        keras.saving.register_keras_serializable(package=PACKAGE)
    )
    return register(cls)


def positive_integers(
    name: str, value: object, length: int | None = None
) -> tuple[int, ...]:
    """Checks a size given by the user and returns it as a tuple of ints."""
    items = value if isinstance(value, (tuple, list)) else (value,)
    values: tuple[int, ...] = tuple(
        item for item in map(integer, items) if item
    )
    if (
        not values
        or len(values) != len(items)
        or min(values) < 1
        or (length and len(values) not in (1, length))
    ):
        raise ValueError(
            f"`{name}` must be a positive integer, or one for each spatial "
            f"axis. Received: {name}={value!r}"
        )
    return values * length if length and len(values) == 1 else values


def length_and_channels(name: str, value: object) -> tuple[int, ...]:
    """Checks the shape of a series given by the user."""
    shape = positive_integers(name, value)
    if len(shape) != 2:
        raise ValueError(
            f"`{name}` must be (length, channels), with one channel for a "
            f"single series. Received: {name}={value!r}"
        )
    return shape


def size(name: str, value: object) -> int | tuple[int, ...]:
    """Checks an integer, or one for each spatial axis, and keeps its form."""
    if isinstance(value, (tuple, list)):
        return positive_integers(name, value)
    return positive_integer(name, value)


def offset(name: str, value: object) -> tuple[int, ...] | None:
    """Checks the first index along each spatial axis, or `None`."""
    if value is None:
        return None
    items = value if isinstance(value, (tuple, list)) else ()
    values = tuple(
        item for item in map(integer, items) if item is not None and item >= 0
    )
    if not values or len(values) != len(items):
        raise ValueError(
            f"`{name}` must hold an integer of at least 0 for each spatial "
            f"axis. Received: {name}={value!r}"
        )
    return values


def positive_integer(name: str, value: object) -> int:
    """Checks a number given by the user and returns it as an int."""
    number = integer(value)
    if number is None or number < 1:
        raise ValueError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}"
        )
    return number


def check_rate(name: str, value: Any) -> int:
    """Checks a rate in Hz, an integer or a whole float of any kind."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    rate = integer(value)
    if rate is None or not SMALLEST_RATE <= rate <= LARGEST_RATE:
        raise ValueError(
            f"`{name}` must be a whole number of samples per second, in Hz, "
            f"from {SMALLEST_RATE} to {LARGEST_RATE}: 16 kHz are 16000. "
            f"Received: {name}={value!r}"
        )
    return rate


def integer(value: Any) -> int | None:
    """The value as a Python int, if it is an integer of any kind."""
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def number(name: str, value: Any, low: float, high: float = math.inf) -> float:
    """Checks that a number is finite and in `[low, high]`."""
    valid = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not valid or not math.isfinite(value) or not low <= value <= high:
        wanted = f"from {low} to {high}" if high < math.inf else f"of {low} up"
        raise ValueError(
            f"`{name}` must be a finite number {wanted}. Received: "
            f"{name}={value!r}"
        )
    return float(value)


def boolean(name: str, value: object) -> bool:
    """Checks that a setting is true or false, and nothing alike."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(
            f"`{name}` must be `True` or `False`. Received: {name}={value!r}"
        )
    return bool(value)


def non_negative_integer(name: str, value: object) -> int:
    """Checks a count given by the user and returns it as an int."""
    number = integer(value)
    if number is None or number < 0:
        raise ValueError(
            f"`{name}` must be an integer of at least 0. Received: "
            f"{name}={value!r}"
        )
    return number


def check_seed(seed: object) -> int:
    """Checks a seed given by the user and returns it as an int."""
    return non_negative_integer("seed", seed)


def optional(
    name: str, value: object, kind: type[Object], wanted: str
) -> Object | None:
    """Returns an object of a kind from its config or itself, or `None`."""
    if isinstance(value, dict):
        value = keras.saving.deserialize_keras_object(value)
    if value is not None and not isinstance(value, kind):
        raise ValueError(
            f"`{name}` must be {wanted}. Received: {name}={value!r}"
        )
    return value


def constant(value: object) -> Callable[..., Any]:
    """An initializer that returns this value."""
    return lambda shape, dtype: ops.convert_to_tensor(value, dtype=dtype)
