"""The outputs of a source on inputs that are the same everywhere."""

import keras
import numpy as np
from keras import ops

from keras_reprogram.keras_internals import flatten_layers
from keras_reprogram.sources.inspection import inspect_source
from keras_reprogram.sources.text import TextSource
from keras_reprogram.typing import Shape

SEED = 20210804
# The ranges of the four inputs: sources differ in the units that they take.
RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-255.0, 255.0))
LENGTH = 64  # of an axis of any length
LONGEST_SEQUENCE = 8
MOST_VALUES = 256  # of one output that are kept
TOLERANCE = 1e-3
LOW_PRECISION_TOLERANCE = 5e-2
# Outputs that are next to nothing are compared by those of the other inputs.
LEAST_SCALE = 1e-3


def outputs_on_fixed_inputs(source: keras.Model) -> list[list[float]]:
    """At most 256 values of each of four outputs, at even distances.

    Args:
        source: A built `keras.Model`.

    Returns:
        Four lists of float32 values, to six digits; what is not finite is 0.
    """
    inputs = fixed_inputs(source)
    count = len(RANGES)
    # Some models take batches of one size alone.
    size = source.inputs[0].shape[0] or count
    rows = np.resize(np.arange(count), (-(-count // size), size))
    found = []
    for batch in rows:
        values = [
            ops.convert_to_tensor(value[batch], dtype=tensor.dtype)
            for value, tensor in zip(inputs, source.inputs)
        ]
        given = keras.tree.pack_sequence_as(source.input, values)
        outputs = keras.tree.flatten(source(given, training=False))[0]
        found.append(ops.convert_to_numpy(ops.cast(outputs, "float32")))
    outputs = np.concatenate(found)[:count].reshape(count, -1)
    chosen = np.linspace(0, outputs.shape[1] - 1, MOST_VALUES).round()
    outputs = outputs[:, np.unique(chosen.astype(int))]
    outputs = np.where(np.isfinite(outputs), outputs, 0.0)
    return [[float(f"{value:.6g}") for value in row] for row in outputs]


def fixed_inputs(source: keras.Model) -> list[np.ndarray]:
    """Arrays of four rows for the inputs of a source, in order."""
    generator = np.random.Generator(np.random.PCG64(SEED))
    if isinstance(source, TextSource):
        return embedded_tokens(source, generator)
    shapes = [tensor.shape[1:] for tensor in source.inputs]
    if getattr(source, "preprocessor", None) is not None and len(shapes) == 1:
        # Which may say the size that the source was trained at.
        shapes = [inspect_source(source).preferred_shape]
    return [
        of_tensor(source, shape, tensor.dtype, generator)
        for shape, tensor in zip(shapes, source.inputs)
    ]


def embedded_tokens(
    source: TextSource, generator: np.random.Generator
) -> list[np.ndarray]:
    """Embeddings and a padding mask, for sequences of several lengths."""
    length = min(
        source.max_sequence_length or LONGEST_SEQUENCE, LONGEST_SEQUENCE
    )
    size = len(RANGES), length
    tokens = (generator.random(size) * source.table.input_dim).astype("int32")
    table = ops.convert_to_tensor(source.token_embeddings)
    embeddings = ops.cast(ops.take(table, tokens, axis=0), "float32")
    lengths = np.linspace(1, length, len(RANGES)).round()
    mask = np.arange(length) < lengths[:, None]
    # In the order of their names, as Keras has a dictionary.
    return [ops.convert_to_numpy(embeddings), mask.astype("int32")]


def of_tensor(
    source: keras.Model,
    shape: Shape,
    dtype: str,
    generator: np.random.Generator,
) -> np.ndarray:
    sizes = tuple(LENGTH if size is None else size for size in shape)
    values = generator.random((len(RANGES), *sizes))
    dtype = keras.backend.standardize_dtype(dtype)
    if not keras.backend.is_float_dtype(dtype):
        return (values * number_of_values(source, dtype)).astype("int32")
    ranges = np.array(RANGES)
    if getattr(source, "is_queried", False) and len(sizes) == 3:
        # A service that takes images may refuse what is below zero.
        ranges = np.maximum(ranges, 0.0)
    low, high = ranges.T.reshape(2, -1, *(1,) * len(sizes))
    return np.asarray(low + (high - low) * values, "float32")


def number_of_values(source: keras.Model, dtype: str) -> int:
    """How many integers from zero a source takes."""
    if dtype == "bool":
        return 2
    sizes = [
        size
        for layer in flatten_layers(source)
        for name in ("input_dim", "vocabulary_size", "num_tokens")
        if isinstance(size := getattr(layer, name, None), int)
    ]
    return min([*sizes, 128 if dtype == "int8" else 256])


def farthest(
    source: keras.Model, found: list[list[float]], expected: list[list[float]]
) -> str | None:
    """Says in words how far outputs are from those of another source.

    Outputs are compared with the largest value of the same input's outputs,
    to 1e-3; to 5e-2 where the source computes in 16 bits or fewer.

    Args:
        source: The source at hand.
        found: Its outputs on the fixed inputs.
        expected: Those of the other one.

    Returns:
        `None` where they are the same.
    """
    if [len(row) for row in found] != [len(row) for row in expected]:
        return "its outputs on four fixed inputs have another size"
    values, wanted = np.array(found), np.array(expected, "float64")
    scales = np.abs(wanted).max(axis=1, keepdims=True)
    scales = np.maximum(scales, LEAST_SCALE * scales.max())
    with np.errstate(over="ignore"):
        difference = np.abs(values - wanted) / np.maximum(scales, 1e-30)
    allowed = LOW_PRECISION_TOLERANCE if is_rough(source) else TOLERANCE
    if difference.max() <= allowed:
        return None
    return (
        "its outputs on four fixed inputs differ by up to "
        f"{difference.max():.2g} of the largest of them"
    )


def is_rough(source: keras.Model) -> bool:
    """Whether some layer computes in 16 bits or fewer."""
    return any(
        layer.compute_dtype in ("float16", "bfloat16")
        or getattr(layer, "quantization_mode", None) is not None
        for layer in flatten_layers(source)
    )
