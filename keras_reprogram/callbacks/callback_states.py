"""What callbacks learn in training, as numbers and arrays that a file holds.

Of Keras's callbacks it is listed what that is. A callback of this package or
of a user tells it by `get_state` and takes it back by `set_state`.
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
# Weights of all the model: those of the source are no part of a file.
WEIGHTS = "best_weights"


def named(
    callbacks: Sequence[keras.callbacks.Callback],
) -> dict[str, keras.callbacks.Callback]:
    """Callbacks by a name that does not depend on their order.

    Those of one class are told apart by their order among themselves.
    """
    found: dict[str, keras.callbacks.Callback] = {}
    for callback in callbacks:
        name = type(callback).__name__
        number = sum(key.rsplit(" ", 1)[0] == name for key in found)
        found[f"{name} {number + 1}"] = callback
    return found


def has_state(callback: keras.callbacks.Callback) -> bool:
    return isinstance(callback, Stateful) or bool(attributes(callback))


@runtime_checkable
class Stateful(Protocol):
    """A callback that returns its state and takes it back."""

    def get_state(self) -> dict[str, Any]:
        """Returns a dictionary of numbers, strings and arrays."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes back what `get_state` returned."""


def attributes(callback: keras.callbacks.Callback) -> tuple[str, ...]:
    """Names of the attributes that are a callback's state."""
    for kind, names in STATES.items():
        if isinstance(callback, kind):
            return names
    return ()


def state_of(
    callback: keras.callbacks.Callback, model: keras.Model
) -> dict[str, Any]:
    """A callback's state, of numbers, strings and arrays alone."""
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
    """Gives a callback the state that it had."""
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
    """States as JSON, with arrays by their number, and the arrays.

    Raises:
        ValueError: If a state holds something else.
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

    found = {name: pack(state, name) for name, state in states.items()}
    return json.dumps(found), arrays


def type_of(value: list[Any] | tuple[Any, ...]) -> str:
    return "tuple" if isinstance(value, tuple) else "list"


def unpacked(
    content: str, arrays: Sequence[np.ndarray]
) -> dict[str, dict[str, Any]]:
    def unpack(value: object) -> Any:
        if not isinstance(value, dict):
            return value
        ((kind, held),) = value.items()
        if kind == "array":
            return arrays[held][()]  # A scalar, where there is one value.
        if kind == "dict":
            return {name: unpack(item) for name, item in held.items()}
        return {"list": list, "tuple": tuple}[kind](map(unpack, held))

    return {name: unpack(state) for name, state in json.loads(content).items()}


# === Callbacks that do not tell their state ===


class Unknown:
    """Warns of callbacks that count something and do not tell it.

    Args:
        callbacks: The callbacks of `fit`, before its first epoch.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        self.before = [
            (callback, plain(callback))
            for callback in callbacks
            if not isinstance(callback, Stateful)
            and not type(callback).__module__.startswith(KNOWN_MODULES)
        ]

    def warn(self) -> None:
        """Says once, after an epoch, which callbacks have changed."""
        for callback, before in self.before:
            known = attributes(callback)
            changed = sorted(
                name
                for name, value in plain(callback).items()
                if name not in known and before.get(name, math.nan) != value
            )
            if changed:
                warnings.warn(
                    f"`{type(callback).__name__}` changes in training, and "
                    "the file of `ResumeTraining` does not hold how: after an "
                    "interruption it starts anew. Give it the methods "
                    "`get_state`, which returns a dictionary of numbers, "
                    "strings and arrays, and `set_state`, which takes it; or "
                    "let `get_state` return `{}` where that does no harm. "
                    f"Received: a callback whose {changed} changed",
                    stacklevel=2,
                )
        self.before = []


def plain(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Attributes that are numbers, strings or arrays, or hold these."""
    return {
        name: described(value, depth=3)
        for name, value in vars(callback).items()
        if name not in ("_model", "params", "validation_data")
        and described(value, depth=3) is not None
    }


def described(value: object, depth: int) -> str | None:
    """What tells whether a plain value is still the same."""
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
