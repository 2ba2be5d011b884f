"""Outputs of a source on fixed, reproducible inputs."""

import keras
import numpy as np
from keras import ops

from keras_reprogram.keras_internals import flatten_layers
from keras_reprogram.sources.inspection import inspect_source
from keras_reprogram.sources.text import TextSource
from keras_reprogram.typing import Shape

SEED = 20210804
# The ranges of the four inputs: sources differ in the units they expect.
RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-255.0, 255.0))
DEFAULT_SIZE = 64  # Size of an axis whose size is not fixed.
MAX_SEQUENCE_LENGTH = 8
MAX_VALUES = 256  # Values of one output that are stored.
TOLERANCE = 1e-3
LOW_PRECISION_TOLERANCE = 5e-2
# Outputs close to zero are compared on the scale of the other inputs' ones.
MIN_SCALE = 1e-3


def outputs_on_fixed_inputs(source: keras.Model) -> list[list[float]]:
    """Computes the outputs of a source on four fixed inputs.

    Args:
        source: `keras.Model`. A built model.

    Returns:
        Four lists of at most 256 evenly spaced values each, rounded to six
        digits, with 0 for values that are not finite.
    """
    inputs = fixed_inputs(source)
    count = len(RANGES)
    # Some models have a fixed batch size.
    batch_size = source.inputs[0].shape[0] or count
    rows = np.resize(np.arange(count), (-(-count // batch_size), batch_size))
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
    chosen = np.linspace(0, outputs.shape[1] - 1, MAX_VALUES).round()
    outputs = outputs[:, np.unique(chosen.astype(int))]
    outputs = np.where(np.isfinite(outputs), outputs, 0.0)
    return [[float(f"{value:.6g}") for value in row] for row in outputs]


def fixed_inputs(source: keras.Model) -> list[np.ndarray]:
    """Returns an array of four rows for each input of a source."""
    generator = np.random.Generator(np.random.PCG64(SEED))
    if isinstance(source, TextSource):
        return embedded_tokens(source, generator)
    shapes = [tensor.shape[1:] for tensor in source.inputs]
    if getattr(source, "preprocessor", None) is not None and len(shapes) == 1:
        # The preprocessor may have the size that the source was trained on.
        shapes = [inspect_source(source).preferred_shape]
    return [
        random_values(source, shape, tensor.dtype, generator)
        for shape, tensor in zip(shapes, source.inputs)
    ]


def embedded_tokens(
    source: TextSource, generator: np.random.Generator
) -> list[np.ndarray]:
    """Returns embeddings and a padding mask of sequences of several lengths."""
    length = min(
        source.max_sequence_length or MAX_SEQUENCE_LENGTH, MAX_SEQUENCE_LENGTH
    )
    size = len(RANGES), length
    tokens = (generator.random(size) * source.table.input_dim).astype("int32")
    table = ops.convert_to_tensor(source.token_embeddings)
    embeddings = ops.cast(ops.take(table, tokens, axis=0), "float32")
    lengths = np.linspace(1, length, len(RANGES)).round()
    mask = np.arange(length) < lengths[:, None]
    # In the order of their names, as Keras orders a dictionary.
    return [ops.convert_to_numpy(embeddings), mask.astype("int32")]


def random_values(
    source: keras.Model,
    shape: Shape,
    dtype: str,
    generator: np.random.Generator,
) -> np.ndarray:
    sizes = tuple(DEFAULT_SIZE if size is None else size for size in shape)
    values = generator.random((len(RANGES), *sizes))
    dtype = keras.backend.standardize_dtype(dtype)
    if not keras.backend.is_float_dtype(dtype):
        return (values * num_valid_integers(source, dtype)).astype("int32")
    ranges = np.array(RANGES)
    if getattr(source, "is_queried", False) and len(sizes) == 3:
        # A service for images may reject negative values.
        ranges = np.maximum(ranges, 0.0)
    low, high = ranges.T.reshape(2, -1, *(1,) * len(sizes))
    return np.asarray(low + (high - low) * values, "float32")


def num_valid_integers(source: keras.Model, dtype: str) -> int:
    """Returns how many integers, counted from zero, a source accepts."""
    if dtype == "bool":
        return 2
    sizes = [
        size
        for layer in flatten_layers(source)
        for name in ("input_dim", "vocabulary_size", "num_tokens")
        if isinstance(size := getattr(layer, name, None), int)
    ]
    return min([*sizes, 128 if dtype == "int8" else 256])


def difference_of_outputs(
    source: keras.Model, found: list[list[float]], expected: list[list[float]]
) -> str | None:
    """Describes how much outputs differ from those of another source.

    The difference is relative to the largest output on the same input. The
    tolerance is 1e-3, or 5e-2 if the source computes in 16 bits or fewer.

    Args:
        source: `keras.Model`. The source to compare.
        found: List of lists of floats. Its outputs on the fixed inputs.
        expected: List of lists of floats. The outputs of the other source.

    Returns:
        A sentence; `None` if the outputs are the same.
    """
    if [len(row) for row in found] != [len(row) for row in expected]:
        return "its outputs on four fixed inputs have another size"
    values, wanted = np.array(found), np.array(expected, "float64")
    scales = np.abs(wanted).max(axis=1, keepdims=True)
    scales = np.maximum(scales, MIN_SCALE * scales.max())
    with np.errstate(over="ignore"):
        difference = np.abs(values - wanted) / np.maximum(scales, 1e-30)
    allowed = (
        LOW_PRECISION_TOLERANCE if has_low_precision(source) else TOLERANCE
    )
    if difference.max() <= allowed:
        return None
    return (
        "its outputs on four fixed inputs differ by up to "
        f"{difference.max():.2g} of the largest of them"
    )


def has_low_precision(source: keras.Model) -> bool:
    """Whether some layer computes in 16 bits or fewer."""
    return any(
        layer.compute_dtype in ("float16", "bfloat16")
        or getattr(layer, "quantization_mode", None) is not None
        for layer in flatten_layers(source)
    )
