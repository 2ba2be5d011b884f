"""The objects of a program file, made from a table of this module's own.

Keras looks names up in its registry, where a user's classes are, and imports
the modules that a config names. Here a name is one of the table or an error.
What a class receives are objects, numbers and strings that are listed for
their place: there is nothing left for Keras to look up.
"""

import functools
import inspect
from collections.abc import Iterator
from typing import Any

import keras

from keras_reprogram import inputs
from keras_reprogram import outputs
from keras_reprogram.configurable import PACKAGE
from keras_reprogram.inputs.images.axes import DATA_FORMATS
from keras_reprogram.inputs.images.interpolation import INTERPOLATIONS
from keras_reprogram.inputs.tokens.layout import SAMPLE
from keras_reprogram.outputs import reading

MOST_OBJECTS = 2000
DEEPEST = 20  # objects and lists within each other
LONGEST_NAME = 1000
POLICIES = (
    "float16",
    "float32",
    "float64",
    "bfloat16",
    "mixed_float16",
    "mixed_bfloat16",
)
ENDS = {
    "input_reprogrammer": inputs.InputTransformation,
    "label_mapper": outputs.OutputMapping,
}
OWN = {
    cls.__name__: cls
    for cls in (
        inputs.ChannelConcatenation,
        inputs.ConvolutionPattern,
        inputs.CoordinatorPattern,
        inputs.Cosine,
        inputs.DenseCombination,
        inputs.Everywhere,
        inputs.FixedTokens,
        inputs.Frame,
        inputs.FreeEmbeddings,
        inputs.Grid,
        inputs.InputReprogrammer,
        inputs.LowRank,
        inputs.MaskToken,
        inputs.FeatureMosaic,
        inputs.Outside,
        inputs.Pad,
        inputs.Patch,
        inputs.RandomPatchPattern,
        inputs.RandomShift,
        inputs.Resize,
        inputs.SampleMaskedPattern,
        inputs.ScaledPad,
        inputs.SeriesReprogrammer,
        inputs.SoftPrompt,
        inputs.SourceTokens,
        inputs.SparseCombination,
        inputs.StatisticsPrompt,
        inputs.TextPrototypes,
        inputs.Tile,
        inputs.TokenPatches,
        inputs.TokenRemapping,
        inputs.TokenReprogrammer,
        inputs.UniversalPattern,
        outputs.AttributeMapping,
        outputs.BayesianMapping,
        outputs.BayesianPlusMapping,
        outputs.FixedMapping,
        outputs.ForecastHead,
        outputs.FrequencyMapping,
        outputs.IdentityMapping,
        outputs.IterativeMapping,
        outputs.LabelMapper,
        outputs.LinearMapping,
        outputs.RandomMapping,
        outputs.RegressionHead,
        outputs.SemanticMapping,
        outputs.SimilarityMapping,
    )
}


def classes_of(module: Any, base: type) -> dict[str, type]:
    """Keras's own classes of a kind, by the names that configs give them."""
    found = {
        cls.__name__: cls for cls in vars(module).values() if is_kind(cls, base)
    }
    return {name: cls for name, cls in found.items() if cls is not base}


def is_kind(cls: Any, base: type) -> bool:
    return isinstance(cls, type) and issubclass(cls, base)


KERAS = {
    "keras": {"DTypePolicy": keras.DTypePolicy},
    "keras.initializers": classes_of(
        keras.initializers, keras.initializers.Initializer
    ),
    "keras.regularizers": classes_of(
        keras.regularizers, keras.regularizers.Regularizer
    ),
}
ACTIVATIONS = {
    name: function
    for name, function in vars(keras.activations).items()
    if inspect.isfunction(function)
    and name not in ("deserialize", "get", "serialize")
}
# What may stand behind a key, where it is an object.
KINDS: dict[str, type | tuple[type, ...]] = {
    "activity_regularizer": keras.regularizers.Regularizer,
    "augmentation": inputs.RandomShift,
    "basis": inputs.Basis,
    "dtype": keras.DTypePolicy,
    "initializer": keras.initializers.Initializer,
    "layout": (inputs.SoftPrompt, inputs.FixedTokens, inputs.MaskToken),
    "mapping": (inputs.TokenMapping, outputs.Mapping),
    "placement": inputs.Placement,
    "pattern": inputs.Pattern,
    "prototypes": inputs.TextPrototypes,
    "region": inputs.Region,
    "regularizer": keras.regularizers.Regularizer,
    "initial": outputs.Mapping,
    "statistics": inputs.StatisticsPrompt,
}
# What may stand behind a key, where it is a string.
STRINGS: dict[str, tuple[str, ...]] = {
    "data_format": DATA_FORMATS,
    "distribution": (
        "normal",
        "truncated_normal",
        "uniform",
        "untruncated_normal",
    ),
    "dtype": POLICIES,
    "interpolation": INTERPOLATIONS,
    "layout": (SAMPLE,),
    "mode": ("columns", "fan_avg", "fan_in", "fan_out", "rows"),
    "padding_token": ("auto",),
    "regularization": ("cross_validation",),
    "source_activation": reading.ACTIVATIONS,
    "activation": tuple(ACTIVATIONS),
    "initial": ("logistic_regression", "ridge_regression", "zeros"),
    "update_unit": ("epoch", "step"),
}
# These describe an object; where a layer was built follows from the source.
DESCRIPTION = {
    "build_config",
    "class_name",
    "config",
    "module",
    "registered_name",
}
LAYER_KEYS = {"activity_regularizer", "dtype", "name", "trainable"}
NUMBERS = (bool, float, int, type(None))


def build_ends(header: dict[str, Any]) -> dict[str, Any]:
    """Both ends of a header, neither built on a source yet.

    Raises:
        Exception: Of any kind, where a config is not valid.
    """
    if sum(1 for _ in objects(header)) > MOST_OBJECTS:
        raise ValueError(f"a program holds at most {MOST_OBJECTS} objects")
    ends = {end: build(header[end]) for end in ENDS}
    for end, kind in ENDS.items():
        if not isinstance(ends[end], kind):
            raise ValueError(f"`{end}` is not an {kind.__name__}")
    return ends


def objects(header: dict[str, Any]) -> Iterator[Any]:
    """All dictionaries in the ends' configs, and segments of layouts."""
    waiting: list[Any] = [header[end] for end in ENDS]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            pieces = value.get("layout")
            yield from pieces if isinstance(pieces, list) else ()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += [each for each in value if type(each) not in NUMBERS]


def build(description: Any, depth: int = 0) -> Any:
    """An object from what Keras wrote of it, by the table."""
    if not isinstance(description, dict):
        raise ValueError("a configuration is not that of an object")
    cls = class_of(description)
    config = description["config"]
    if not isinstance(config, dict) or not set(config) <= keys_of(cls):
        raise ValueError(f"a {cls.__name__} has no such configuration")
    arguments = {
        key: argument(key, value, depth + 1) for key, value in config.items()
    }
    if cls is keras.DTypePolicy:
        return policy(arguments["name"])
    if cls in OWN.values():
        return cls.from_config(arguments)
    # Not by `from_config`, which looks for objects once more.
    return cls(**arguments)


def class_of(description: dict[str, Any]) -> type:
    name, registered = (
        description.get(key) for key in ("class_name", "registered_name")
    )
    module = description.get("module")
    if set(description) <= DESCRIPTION and isinstance(name, str):
        if registered == f"{PACKAGE}>{name}" and name in OWN:
            return OWN[name]
        if registered in (None, name) and isinstance(module, str):
            found = KERAS.get(module, {}).get(name)
            if found is not None:
                return found
    raise ValueError(
        f"the configuration names {module}.{name} ({registered}), which no "
        "program holds"
    )


@functools.cache
def keys_of(cls: type) -> frozenset[str]:
    """The keys of a class's config."""
    parameters = inspect.signature(cls).parameters.values()
    keys = {each.name for each in parameters if each.kind != each.VAR_KEYWORD}
    if issubclass(cls, keras.layers.Layer):
        keys |= LAYER_KEYS
    return frozenset(keys)


def argument(key: str, value: Any, depth: int) -> Any:
    """A value of a config as a class takes it."""
    if type(value) in NUMBERS:
        return value
    if depth > DEEPEST:
        raise ValueError("the configuration is nested too deeply")
    if isinstance(value, str):
        return string(key, value)
    if isinstance(value, list):
        return [
            each if type(each) in NUMBERS else argument(key, each, depth + 1)
            for each in value
        ]
    if value.get("class_name") == "__tuple__":
        items = value["config"]["value"]
        if not isinstance(items, list):
            raise ValueError(f"`{key}` is not a tuple")
        return tuple(argument(key, items, depth + 1))
    if key not in KINDS or not issubclass(class_of(value), KINDS[key]):
        raise ValueError(f"`{key}` is not what a program holds")
    return build(value, depth + 1)


def string(key: str, value: str) -> Any:
    if key == "name" and len(value) <= LONGEST_NAME:
        return value
    if value not in STRINGS.get(key, ()):
        raise ValueError(f"`{key}` is a string that no program holds")
    if key == "activation":
        return ACTIVATIONS[value]
    return policy(value) if key == "dtype" else value


def policy(name: Any) -> keras.DTypePolicy:
    if name not in POLICIES:
        raise ValueError("a dtype policy has a name that no program holds")
    return keras.DTypePolicy(name)
