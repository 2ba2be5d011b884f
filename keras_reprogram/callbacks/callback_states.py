"""The states of callbacks as numbers and arrays, for checkpoint files.

For Keras's callbacks, a table lists the attributes that are their state.
Callbacks of this package and of users implement `get_state` and `set_state`.
"""

import json
import math
import warnings
from collections.abc import Sequence
from typing import Any
from typing import Protocol
from typing import runtime_checkable

import keras
import numpy as np
from keras import ops

from keras_reprogram.callbacks import training_state
from keras_reprogram.callbacks.query_budget import QueryBudget
from keras_reprogram.keras_internals import CALLBACK_STATES

# Attributes that change in `fit` and matter to later epochs.
STATES: dict[type[keras.callbacks.Callback], tuple[str, ...]] = {
    **CALLBACK_STATES,
    QueryBudget: (
        "largest",
        "largest_of_validation",
        "last",
        "validation",
    ),
}
KNOWN_MODULES = ("keras.", "keras_reprogram.")
# Weights of the whole model. Those of the source are not saved.
WEIGHTS = "best_weights"


def named(
    callbacks: Sequence[keras.callbacks.Callback],
) -> dict[str, keras.callbacks.Callback]:
    """Returns callbacks by names that do not depend on their order.

    Callbacks of the same class are numbered in their order.
    """
    entries: dict[str, keras.callbacks.Callback] = {}
    for callback in callbacks:
        name = type(callback).__name__
        number = sum(key.rsplit(" ", 1)[0] == name for key in entries)
        entries[f"{name} {number + 1}"] = callback
    return entries


def has_state(callback: keras.callbacks.Callback) -> bool:
    return isinstance(callback, Stateful) or bool(attributes(callback))


@runtime_checkable
class Stateful(Protocol):
    """A callback that returns its state and can restore it."""

    def get_state(self) -> dict[str, Any]:
        """Returns a dictionary of numbers, strings and arrays."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the state that `get_state` returned."""


def attributes(callback: keras.callbacks.Callback) -> tuple[str, ...]:
    """Returns the names of the attributes that are a callback's state."""
    for kind, names in STATES.items():
        if isinstance(callback, kind):
            return names
    return ()


def state_of(
    callback: keras.callbacks.Callback, model: keras.Model
) -> dict[str, Any]:
    """Returns a callback's state as numbers, strings and arrays."""
    if isinstance(callback, Stateful):
        return callback.get_state()
    state = {
        name: getattr(callback, name)
        for name in attributes(callback)
        if hasattr(callback, name)
    }
    if state.get(WEIGHTS) is not None:
        fixed = training_state.fixed_variables(model)
        state[WEIGHTS] = [
            value
            for weight, value in zip(model.weights, state[WEIGHTS])
            if id(weight) not in fixed
        ]
    return state


def restore(
    callback: keras.callbacks.Callback,
    model: keras.Model,
    state: dict[str, Any],
) -> None:
    """Restores the state of a callback."""
    if isinstance(callback, Stateful):
        callback.set_state(state)
        return
    state = {n: state[n] for n in attributes(callback) if n in state}
    if state.get(WEIGHTS) is not None:
        fixed = training_state.fixed_variables(model)
        saved = iter(state[WEIGHTS])
        values = [
            ops.convert_to_numpy(weight.value)
            if id(weight) in fixed
            else next(saved)
            for weight in model.weights
        ]
        training_state.check_shapes(model.weights, values)
        state[WEIGHTS] = values
    for name, value in state.items():
        setattr(callback, name, value)


# === On disk ===


def packed(
    states: dict[str, dict[str, Any]],
) -> tuple[str, list[np.ndarray]]:
    """Returns states as JSON with indices of arrays, and the arrays.

    Raises:
        ValueError: If a state contains values of other types.
    """
    arrays: list[np.ndarray] = []

    def pack(value: object, name: str) -> Any:
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, dict) and all(isinstance(k, str) for k in value):
            return {"dict": {k: pack(v, name) for k, v in value.items()}}
        if isinstance(value, (list, tuple)):
            return {type_of(value): [pack(item, name) for item in value]}
        if isinstance(value, (np.ndarray, np.generic)) or ops.is_tensor(value):
            array = np.asarray(ops.convert_to_numpy(value))
            if array.dtype.isbuiltin != 1 and not array.dtype.hasobject:
                array = array.astype("float32")  # as bfloat16
            if not array.dtype.hasobject:
                arrays.append(array)
                return {"array": len(arrays) - 1}
        raise ValueError(
            "A callback's `get_state` must return a dictionary of numbers, "
            "strings and arrays, or lists and dictionaries of these. "
            f"Received: {type(value).__name__} from {name}"
        )

    entries = {name: pack(state, name) for name, state in states.items()}
    return json.dumps(entries), arrays


def type_of(value: list[Any] | tuple[Any, ...]) -> str:
    return "tuple" if isinstance(value, tuple) else "list"


def unpacked(
    content: str, arrays: Sequence[np.ndarray]
) -> dict[str, dict[str, Any]]:
    def unpack(value: object) -> Any:
        if not isinstance(value, dict):
            return value
        ((kind, inner),) = value.items()
        if kind == "array":
            return arrays[inner][()]  # A scalar if there is one value.
        if kind == "dict":
            return {name: unpack(item) for name, item in inner.items()}
        return {"list": list, "tuple": tuple}[kind](map(unpack, inner))

    return {name: unpack(state) for name, state in json.loads(content).items()}


# === Callbacks without `get_state` ===


class Unknown:
    """Warns of callbacks whose state changes and is not saved.

    Args:
        callbacks: Sequence of the callbacks of `fit`, before its first epoch.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        self.before = [
            (callback, plain(callback))
            for callback in callbacks
            if not isinstance(callback, Stateful)
            and not type(callback).__module__.startswith(KNOWN_MODULES)
        ]

    def warn(self) -> None:
        """Warns once, after an epoch, of the callbacks that have changed."""
        for callback, before in self.before:
            state_names = attributes(callback)
            changed = sorted(
                name
                for name, value in plain(callback).items()
                if name not in state_names
                and before.get(name, math.nan) != value
            )
            if changed:
                warnings.warn(
                    f"`{type(callback).__name__}` changes in training, and "
                    "`ResumeTraining` does not save its state: after an "
                    "interruption it starts from its initial state. Implement "
                    "`get_state`, which returns a dictionary of numbers, "
                    "strings and arrays, and `set_state`, which restores it; "
                    "or return `{}` from `get_state` if the state can be lost. "
                    f"Received: a callback whose {changed} changed",
                    stacklevel=2,
                )
        self.before = []


def plain(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Returns descriptions of the attributes that are plain values."""
    return {
        name: described(value, depth=3)
        for name, value in vars(callback).items()
        if name not in ("_model", "params", "validation_data")
        and described(value, depth=3) is not None
    }


def described(value: object, depth: int) -> str | None:
    """Returns a description that changes if a plain value changes."""
    if isinstance(value, (bool, int, float, str, np.generic)):
        return repr(value)
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return f"{value.shape} {hash(value.tobytes())}"
    if isinstance(value, (list, tuple)) and depth:
        return f"{len(value)} {[described(v, depth - 1) for v in value[-9:]]}"
    if isinstance(value, dict) and depth:
        names = list(map(str, value))
        return f"{names} {described(list(value.values()), depth - 1)}"
    return None
