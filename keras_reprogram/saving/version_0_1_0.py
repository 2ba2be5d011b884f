"""Headers of the program files that version 0.1.0 wrote, in today's names.

Nothing else in the package knows the names and settings of that version. A
header is translated before anything else looks at it, so what a file holds may
be of any type here: what is not as version 0.1.0 wrote it stays as it is, and
is refused later.
"""

from collections.abc import Callable
from typing import Any

from keras_reprogram.configurable import PACKAGE

FORMAT_VERSION = 1
KEPT = ("format", "variables", "matrices")
MOST_CHANNELS = 2**25
CLASSES = {
    "ChannelsInTime": "ChannelConcatenation",
    "ConvolutionProgram": "ConvolutionPattern",
    "CoordinatorProgram": "CoordinatorPattern",
    "Mosaic": "FeatureMosaic",
    "RandomPatchProgram": "RandomPatchPattern",
    "SampleMaskedProgram": "SampleMaskedPattern",
    "UniversalProgram": "UniversalPattern",
}
# Keys of a class's config, by the class's name of today.
KEYS = {
    "FixedTokens": {"tokens": "token_ids"},
    "InputReprogrammer": {"program": "pattern"},
    "LinearMapping": {"start": "initial", "trained": "trainable"},
    "MaskToken": {"tokens": "token_id"},
    "RegressionHead": {"warm_start": "initial"},
    "SoftPrompt": {"tokens": "token_ids"},
    "StatisticsPrompt": {"tokens": "token_ids"},
    "TokenReprogrammer": {"tokens": "mapping"},
    "UniversalPattern": {"squash": "activation"},
}


def translated(header: dict[str, Any]) -> dict[str, Any]:
    """Returns the header as it is written today.

    Args:
        header: Dictionary, whose configurations are changed in place.
    """
    end, other = header.get("input_reprogrammer"), header.get("label_mapper")
    found = {
        "inputs": [end],
        "output": other,
        "sources": [header.get("source")],
        **{key: header[key] for key in KEPT if key in header},
    }
    waiting = [end, other]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            translate_object(value)
            waiting += value.values()
    add_scale(found)
    return found


def add_scale(header: dict[str, Any]) -> None:
    """Adds the scale of a forecast, which version 0.1.0 had not.

    It is no member of the file: a scale of zeros is one that was not found.
    """
    output, variables = header["output"], header.get("variables")
    if (
        not isinstance(output, dict)
        or output.get("registered_name") != f"{PACKAGE}>ForecastHead"
        or not isinstance(variables, list)
        # The kernel and the bias.
        or [len(each["shape"]) for each in variables[-2:]] != [2, 1]
    ):
        return
    (end,) = header["inputs"]
    config = end.get("config") if isinstance(end, dict) else None
    shape = config.get("target_shape") if isinstance(config, dict) else None
    if isinstance(shape, dict):  # a tuple, as Keras serializes it
        config = shape.get("config")
        shape = config.get("value") if isinstance(config, dict) else None
    if isinstance(shape, list) and shape and type(shape[-1]) is int:
        if 0 < shape[-1] <= MOST_CHANNELS:
            scale = {"shape": shape[-1:], "dtype": "float32", "constant": 0}
            header["variables"] = [*variables, scale]


def translate_object(description: dict[str, Any]) -> None:
    """Renames an object's class and the keys of its config."""
    name = description.get("class_name")
    if not isinstance(name, str):
        return
    if description.get("registered_name") != f"{PACKAGE}>{name}":
        return
    name = CLASSES.get(name, name)
    description["class_name"] = name
    description["registered_name"] = f"{PACKAGE}>{name}"
    config = description.get("config")
    if not isinstance(config, dict):
        return
    for old, new in KEYS.get(name, {}).items():
        if old in config and new not in config:
            config[new] = config.pop(old)
    if name in SETTINGS:
        SETTINGS[name](config)


def translate_activation(config: dict[str, Any]) -> None:
    """Version 0.1.0 took all probabilities for those of a softmax.

    What was trained then is right for that reading.
    """
    if "source_activation" not in config and config.get("from_logits") is False:
        config["source_activation"] = "softmax"


def translate_regression(config: dict[str, Any]) -> None:
    """Version 0.1.0 wrote whether to start from a ridge regression."""
    translate_activation(config)
    starts = {True: "ridge_regression", False: "zeros"}
    initial = config.get("initial")
    if isinstance(initial, bool):
        config["initial"] = starts[initial]


def translate_mask_token(config: dict[str, Any]) -> None:
    """Version 0.1.0 wrote a list of one token."""
    token = config.get("token_id")
    if isinstance(token, list) and len(token) == 1:
        config["token_id"] = token[0]


def translate_padding(config: dict[str, Any]) -> None:
    """Padding was 0 for every source, and could be no token of it."""
    # Files that were written after version 0.1.0, and before another format,
    # have this key.
    if config.pop("padding", None) is not None:
        return
    token = config.get("padding_token")
    if type(token) is not int:
        return
    mapping = config.get("mapping")
    settings = mapping.get("config") if isinstance(mapping, dict) else None
    size = None
    if isinstance(settings, dict):
        size = settings.get("vocabulary_size")
    if size is None and token == 0:
        config["padding_token"] = "auto"
    elif token < 0 or (type(size) is int and token >= size > 0):
        config["padding_token"] = None


def translate_token_patches(config: dict[str, Any]) -> None:
    """Without a range, a source received patches in the unit range."""
    placement = config.get("placement")
    settings = [config.get(key) for key in ("value_range", "scale", "offset")]
    if (
        isinstance(placement, dict)
        and placement.get("registered_name") == f"{PACKAGE}>TokenPatches"
        and settings == [None] * 3
    ):
        config.update(value_range=[0.0, 1.0], scale=1.0)


SETTINGS: dict[str, Callable[[dict[str, Any]], None]] = {
    "InputReprogrammer": translate_token_patches,
    "LabelMapper": translate_activation,
    "MaskToken": translate_mask_token,
    "RegressionHead": translate_regression,
    "TokenReprogrammer": translate_padding,
}
