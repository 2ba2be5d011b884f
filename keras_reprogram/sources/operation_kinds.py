"""Tests of layers and operations: known code, own state, identity."""

import functools
import inspect

import keras

from keras_reprogram.keras_internals import flatten_layers
from keras_reprogram.keras_internals import has_graph
from keras_reprogram.sources.canonical_values import is_float

# Packages whose classes are determined by their arguments.
KNOWN_PACKAGES = ("keras", "keras_hub", "keras_nlp", "keras_reprogram")
# Classes of Keras that run code which their arguments do not determine.
OPAQUE_LAYERS = (
    keras.layers.Lambda,
    keras.layers.TorchModuleWrapper,
    keras.layers.TFSMLayer,
    keras.layers.JaxLayer,
    keras.layers.FlaxLayer,
)
# Layers that return their input in inference.
IDENTITY_LAYERS = (
    keras.layers.Identity,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ActivityRegularization,
)
AUGMENTATIONS = ("AugMix", "CutMix", "MixUp", "RandAugment")


def is_graph(operation: keras.Operation) -> bool:
    """Whether a model computes its graph alone, without code of its own."""
    return has_graph(operation) and all(
        package_of(getattr(type(operation), name)) in KNOWN_PACKAGES
        and package_of(vars(operation).get(name)) in KNOWN_PACKAGES
        for name in ("call", "__call__")
    )


def has_known_code(operation: keras.Operation) -> bool:
    """Whether all code of an operation is from a known package."""
    if isinstance(operation, keras.layers.Layer):
        parts = flatten_layers(operation)
    else:
        parts = [operation]
    return not any(
        isinstance(part, OPAQUE_LAYERS)
        or not (package_of(type(part)) in KNOWN_PACKAGES or is_graph(part))
        # A user's function, or a method that was set on this object alone.
        or any(
            callable(value) and package_of(value) not in KNOWN_PACKAGES
            for value in vars(part).values()
            if inspect.isroutine(value) or isinstance(value, functools.partial)
        )
        for part in parts
    )


def package_of(value: object) -> str:
    """Returns the package of a class or function, `"keras"` for `None`."""
    if isinstance(value, functools.partial):
        value = value.func
    module = "keras" if value is None else getattr(value, "__module__", "")
    return (module or "").split(".")[0]


def computes_in_floats(operation: keras.Operation) -> bool:
    return is_float(getattr(operation, "compute_dtype", None) or "float32")


def has_own_assets(layer: keras.layers.Layer) -> bool:
    """Whether a layer saves files in a format of its own."""
    return hasattr(layer, "save_assets") and package_of(type(layer)) != "keras"


def is_identity(operation: keras.Operation) -> bool:
    """Whether a layer returns its input in inference."""
    kind = type(operation)
    if not computes_in_floats(operation):
        return False  # It converts its input to integers.
    if kind is keras.layers.Activation:
        return bool(operation.activation is keras.activations.linear)
    if kind in IDENTITY_LAYERS:
        return "call" not in vars(operation)
    name = kind.__name__
    return kind is getattr(keras.layers, name, None) and (
        name in AUGMENTATIONS
        or (name.startswith("Random") and name != "RandomCrop")
    )
