"""Whether a gradient gets from a source's outputs to its inputs."""

import keras

from keras_reprogram.dtypes import is_float
from keras_reprogram.keras_internals import producer

# What looks integers up, whatever the dtype of its input.
LOOKUPS = (
    keras.layers.Embedding,
    keras.layers.CategoryEncoding,
    keras.layers.Discretization,
    keras.layers.Hashing,
    keras.layers.HashedCrossing,
    keras.layers.IntegerLookup,
    keras.layers.StringLookup,
)
# Operations whose slope is zero wherever they have one.
STEPS = ("Round", "Floor", "Ceil", "Trunc", "Sign", "Argmax", "Argsort")


def what_blocks_gradient(source: keras.Model) -> str | None:
    """Names what no gradient passes on its way through a source.

    It looks at layers, operations and dtypes: a cast within the `call` of a
    layer is not seen.

    Args:
        source: A functional or sequential model.

    Returns:
        A description, or `None` if there is a way.
    """
    blocks: list[str] = []
    found = reached(source, blocks)
    return None if found else (blocks or ["its layers"])[0]


def reached(model: keras.Model, blocks: list[str]) -> bool:
    """Whether an output is connected with an input by floating point."""
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
        if getattr(operation, "inputs", None) and not reached(
            operation, blocks
        ):
            continue
        waiting += operands
    return False
