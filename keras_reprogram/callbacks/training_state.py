"""The variables that training changes, and their values as arrays."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

NOT_OF_NUMPY = ("bfloat16", "float8")


def trained_variables(model: keras.Model) -> list[keras.Variable]:
    """Returns all variables but a frozen source's, and the optimizer's."""
    fixed = fixed_variables(model)
    return [
        *(weight for weight in model.variables if id(weight) not in fixed),
        *getattr(model.optimizer, "variables", ()),
    ]


def fixed_variables(model: keras.Model) -> set[int]:
    """Returns the `id`s of the variables that training does not change."""
    source = getattr(model, "source", None)
    if source is None:
        return set()
    fixed = {id(weight) for weight in source.weights}
    return fixed - {id(weight) for weight in model.learned_variables}


def learned_variables(model: keras.Model) -> list[keras.Variable]:
    learned: list[keras.Variable] = getattr(
        model, "learned_variables", model.variables
    )
    return learned


def value_of(variable: keras.Variable) -> np.ndarray:
    """Returns a copy that NumPy can save and that is assigned exactly."""
    value = variable.value
    if any(name in str(variable.dtype) for name in NOT_OF_NUMPY):
        # The value is cast back when it is assigned.
        value = ops.cast(value, "float32")
    array: np.ndarray = ops.convert_to_numpy(value)
    return array


def values_of(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    return [value_of(variable) for variable in variables]


def trained_values(model: keras.Model) -> list[np.ndarray]:
    return values_of(trained_variables(model))


def assign(variables: list[keras.Variable], values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values):
        variable.assign(value)


def check_shapes(
    variables: list[keras.Variable], values: list[np.ndarray]
) -> None:
    """Raises a `ValueError` if values are those of other variables."""
    expected = [tuple(variable.shape) for variable in variables]
    shapes = [np.shape(value) for value in values]
    if shapes != expected:
        raise ValueError(
            "The values must be those of the model's variables. Received: "
            f"values of the shapes {shapes[:9]} for {expected[:9]}"
        )


def lost_and_learned(
    model: keras.Model,
    old: list[np.ndarray],
    new: list[np.ndarray],
) -> int:
    """Returns the number of learned values that are no longer finite.

    Args:
        model: A `keras.Model`.
        old: List of arrays. Previous values of `trained_variables`.
        new: List of arrays. Their current values.
    """
    learned = {id(variable) for variable in learned_variables(model)}
    return sum(
        lost_numbers(*values)
        for variable, *values in zip(trained_variables(model), old, new)
        if id(variable) in learned
    )


def lost_numbers(old: np.ndarray, new: np.ndarray) -> int:
    """Returns the number of values that are not finite and were before."""
    if np.asarray(new).dtype.kind != "f":
        return 0
    return int(np.count_nonzero(np.isfinite(old) & ~np.isfinite(new)))
