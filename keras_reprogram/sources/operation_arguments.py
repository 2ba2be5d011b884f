"""Canonical arguments of layers, their defaults and ignored ones."""

import functools
import inspect
from collections.abc import Mapping

import keras

from keras_reprogram.sources.graph_steps import without_precision
from keras_reprogram.sources.operation_kinds import package_of

# Arguments that change no output in inference, or whose effect is in the
# weights.
IGNORED_ARGUMENTS = {
    "autocast",
    "dtype",
    "flash_attention",
    "gptq_unpacked_column_size",
    "implementation",
    "lora_alpha",
    "lora_rank",
    "momentum",
    "name",
    "noise_shape",
    "power_iterations",
    "quantization_config",
    "rate",
    "renorm",
    "renorm_clipping",
    "renorm_momentum",
    "seed",
    "stddev",
    "survival_probability",
    "synchronized",
    "trainable",
    "unroll",
    "use_cudnn",
    "weights",
}
IGNORED_ENDINGS = ("initializer", "regularizer", "constraint")
# The text includes the vocabulary itself, so these would repeat it, or differ
# between a layer that was adapted and one that was given its vocabulary.
VOCABULARY_ARGUMENTS = ("vocabulary", "idf_weights", "vocabulary_size")
# Arguments of which one number means the same along all axes.
ARGUMENTS_PER_AXIS = ("strides", "dilation_rate", "pool_size", "kernel_size")


def canonical_argument(key: str, value: object, rank: int | None) -> object:
    """Returns one form of all values of an argument with the same effect.

    Args:
        key: String. Name of the argument.
        value: The argument, as it can be written as JSON.
        rank: Integer. The number of axes of the layer's input, `None` where
            it is not known.

    Returns:
        A value that can be written as JSON.
    """
    if key == "axis" and rank is not None:
        return counted_from_last(value, rank)
    if "activation" in key and value is None:
        return "linear"
    if key == "data_format" and value == "channels_last":
        return None
    if key == "dtype":
        return without_precision(value)
    if key in ARGUMENTS_PER_AXIS and isinstance(value, list) and value:
        if all(item == value[0] for item in value):
            return value[0]
    return value


def attribute_or_value(
    layer: keras.layers.Layer, key: str, value: object
) -> object:
    """Returns a layer's sublayers or function, else the value in its config.

    A user's function may have the name of one of Keras, which the config
    alone would not tell apart.
    """
    found: object = getattr(layer, key, None)
    if isinstance(found, (list, tuple)) and isinstance(value, list):
        layers = [isinstance(item, keras.layers.Layer) for item in found]
        return found if layers and all(layers) else value
    if isinstance(found, keras.layers.Layer) or inspect.isroutine(found):
        return found
    return value


def counted_from_last(axis: object, rank: int) -> object:
    """Returns an axis, or a list of several, with -1 for the last one."""
    axes = axis if isinstance(axis, list) else [axis]
    axes = [
        item - rank if isinstance(item, int) and item >= 0 else item
        for item in axes
    ]
    return axes[0] if len(axes) == 1 else axes


def is_complete(kind: type, config: Mapping[str, object]) -> bool:
    """Whether a config holds all arguments of its class."""
    if package_of(kind) == "keras" and issubclass(kind, keras.layers.Layer):
        return bool(config)  # Keras tests that its own configs are complete.
    initializer = inspect.getattr_static(kind, "__init__")
    return all(
        key in config or is_ignored(key)
        for key in inspect.signature(initializer).parameters
        if key not in ("self", "args", "kwargs")
    )


def is_ignored(key: str) -> bool:
    return (
        key in IGNORED_ARGUMENTS
        or key.endswith(IGNORED_ENDINGS)
        or "drop" in key
    )


@functools.cache
def defaults_of(kind: type) -> dict[str, object]:
    """Returns the arguments of a class and its bases, with their defaults."""
    defaults: dict[str, object] = {}
    for base in reversed(kind.__mro__):
        if "__init__" in vars(base):
            initializer = vars(base)["__init__"]
            parameters = inspect.signature(initializer).parameters.values()
            defaults.update({item.name: item.default for item in parameters})
    return defaults
