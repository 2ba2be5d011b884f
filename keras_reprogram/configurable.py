"""Small immutable choices that Keras can serialize."""

import dataclasses
from collections.abc import Callable
from typing import Any
from typing import TypeVar

import keras

Class = TypeVar("Class", bound=type)

PACKAGE = "keras_reprogram"


class Configurable:
    """Gives a dataclass the `get_config` and `from_config` of a Keras object.

    A placement, a region or a mapping is a handful of settings and no state:
    a frozen dataclass whose fields are its config.
    """

    def get_config(self) -> dict[str, Any]:
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Configurable":
        return cls(**config)


def serializable(cls: Class) -> Class:
    """Registers a class under this package's name for Keras saving."""
    register: Callable[[Class], Class] = (
        keras.saving.register_keras_serializable(package=PACKAGE)
    )
    return register(cls)


def positive_integers(
    name: str, value: Any, length: int | None = None
) -> tuple[int, ...]:
    """Checks a size given by the user and returns it as a tuple of ints."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    valid = all(
        isinstance(item, int) and not isinstance(item, bool) and item > 0
        for item in values
    )
    if not valid or not values or (length and len(values) not in (1, length)):
        raise ValueError(
            f"`{name}` must be a positive integer, or one for each of the "
            f"{length or 'spatial'} axes. Received: {name}={value!r}"
        )
    if length and len(values) == 1:
        values = tuple(values) * length
    return tuple(values)
