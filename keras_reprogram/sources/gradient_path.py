"""Search for a differentiable path from a source's inputs to its outputs."""

import keras

from keras_reprogram.dtypes import is_float
from keras_reprogram.keras_internals import producer

# Layers without a gradient, whatever the dtype of their input.
LOOKUPS = (
    keras.layers.Embedding,
    keras.layers.CategoryEncoding,
    keras.layers.Discretization,
    keras.layers.Hashing,
    keras.layers.HashedCrossing,
    keras.layers.IntegerLookup,
    keras.layers.StringLookup,
)
# Operations whose gradient is zero almost everywhere.
STEPS = ("Round", "Floor", "Ceil", "Trunc", "Sign", "Argmax", "Argsort")


def what_blocks_gradient(source: keras.Model) -> str | None:
    """Describes what blocks the gradient of a source's outputs.

    Layers, operations and dtypes are examined. A cast within the `call` of a
    layer is not detected.

    Args:
        source: `keras.Model`. A functional or sequential model.

    Returns:
        A string; `None` if the gradient reaches an input.
    """
    blocks: list[str] = []
    if has_path(source, blocks):
        return None
    return (blocks or ["its layers"])[0]


def has_path(model: keras.Model, blocks: list[str]) -> bool:
    """Whether a differentiable path connects an input with an output."""
    inputs = {id(tensor) for tensor in model.inputs}
    seen: set[int] = set()
    waiting = list(model.outputs)
    while waiting:
        tensor = waiting.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        if not is_float(tensor):
            blocks.append(f"values of dtype {tensor.dtype}")
            continue
        if id(tensor) in inputs:
            return True
        operation, _, _, operands = producer(tensor)
        name = type(operation).__name__
        if isinstance(operation, LOOKUPS) or name in STEPS:
            blocks.append(f"`{name}`")
            continue
        if getattr(operation, "inputs", None) and not has_path(
            operation, blocks
        ):
            continue
        waiting += operands
    return False
