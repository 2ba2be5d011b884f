"""The parts that a source's output is a concatenation of."""

import keras

from keras_reprogram.keras_internals import producer
from keras_reprogram.sources.output_features import OutputFeatures
from keras_reprogram.typing import FixedShape

CONCATENATIONS = ("Concatenate",)  # of `keras.layers` and of `keras.ops`


def block_sizes(source: keras.Model) -> FixedShape:
    """Returns the sizes of the parts that a source's output concatenates.

    The blocks of `sources.stage_features` are its stages; those of a
    `sources.JoinedSource` are the blocks of its parts. Any other source has
    one block.

    Example:

    ```python
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3)(inputs)
    both = keras.layers.Concatenate()([inputs, hidden])
    block_sizes(keras.Model(inputs, both))  # (4, 3)
    ```

    Args:
        source: `keras.Model`. A functional or sequential model with one
            output `(batch, ..., S)`.

    Returns:
        A tuple of integers, whose sum is `S`.
    """
    return tuple(sizes_of(source.outputs[0]))


def sizes_of(tensor: keras.KerasTensor) -> list[int]:
    operation, _, index, inputs = producer(tensor)
    if isinstance(operation, keras.Model) and getattr(
        operation, "outputs", None
    ):
        return sizes_of(operation.outputs[index])
    if isinstance(operation, OutputFeatures):
        return sizes_of(inputs[0])
    if type(operation).__name__ in CONCATENATIONS and (
        operation.axis in (-1, len(tensor.shape) - 1)
    ):
        return [size for part in inputs for size in sizes_of(part)]
    return [int(tensor.shape[-1])]
