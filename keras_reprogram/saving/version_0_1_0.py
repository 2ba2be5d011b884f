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
ENDS = ("input_reprogrammer", "label_mapper")
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
    """The header with the names and settings of today, changed in place."""
    waiting = [header.get(end) for end in ENDS]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            translate_object(value)
            waiting += value.values()
    return header


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


SETTINGS: dict[str, Callable[[dict[str, Any]], None]] = {
    "LabelMapper": translate_activation,
    "MaskToken": translate_mask_token,
    "RegressionHead": translate_regression,
    "TokenReprogrammer": translate_padding,
}
