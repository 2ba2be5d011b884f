"""Whether a program is put in front of the source that it was trained on."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras

from keras_reprogram.inputs import InputTransformation
from keras_reprogram.sources import compare_fingerprints
from keras_reprogram.sources import inspect_source
from keras_reprogram.sources import not_compared
from keras_reprogram.sources.joined_source import parts_of

# What also asks a source that is only queried.
OUTPUTS = "outputs"


def check_same(
    source: keras.Model,
    expected: Sequence[dict[str, Any]],
    probe: bool = False,
    stacklevel: int = 5,  # to whom calls `load_program`
) -> None:
    """Raises if a source is another one, and warns of what is not compared.

    Args:
        source: The source.
        expected: Fingerprint of each source that the program was trained on.
        probe: Whether a source that is only queried is asked, too.
        stacklevel: As for `warnings.warn`, from the caller.
    """
    check_number(source, expected)
    parts = parts_of(source)
    for index, (part, fingerprint) in enumerate(zip(parts, expected)):
        place = f"sources[{index}]: " if len(parts) > 1 else ""
        check_part(part, fingerprint, probe, stacklevel + 1, place)


def check_number(
    source: keras.Model, expected: Sequence[dict[str, Any]]
) -> None:
    """Raises unless there are as many sources as the program has inputs."""
    parts = parts_of(source)
    if len(parts) != len(expected):
        raise ValueError(
            f"The program was trained on {len(expected)} sources: pass as "
            "many, in a list, in their order. Received: "
            f"source={source.name} of {len(parts)}"
        )


def check_part(
    source: keras.Model,
    expected: dict[str, Any],
    probe: bool,
    stacklevel: int,
    place: str,
) -> None:
    """As `check_same`, for one source."""
    found = compare_fingerprints(source, expected, probe)
    if found:
        raise ValueError(
            f"The program was trained on another source: {place}"
            f"{'; '.join(found)}. Pass the source that it was trained on, or "
            f"`check_source=False`. Received: source={source.name}"
        )
    if probe and not expected.get("architecture", {}).get("outputs"):
        raise ValueError(
            "The program holds no outputs of its source to compare: save it "
            "with `probe_source=True`, or load it with `check_source=True`. "
            f"Received: check_source={OUTPUTS!r}"
        )
    left_open = not_compared(source, expected, probe)
    if left_open is not None:
        warnings.warn(f"{place}{left_open}", stacklevel=stacklevel)


def check_fits(
    source: keras.Model,
    expected: Sequence[dict[str, Any]],
    input_transformation: InputTransformation,
) -> None:
    """Raises unless the program's inputs and label map suit the source.

    Args:
        source: The source.
        expected: Fingerprint of each source that the program was trained on.
        input_transformation: Built or not.
    """
    check_number(source, expected)
    layers = input_transformation.for_each_source()
    for part, fingerprint, layer in zip(parts_of(source), expected, layers):
        check_part_fits(part, fingerprint, layer)


def check_part_fits(
    source: keras.Model,
    expected: dict[str, Any],
    input_transformation: InputTransformation,
) -> None:
    """As `check_fits`, for one source."""
    specification = inspect_source(source)
    classes = expected["output_shape"][-1]
    if specification.num_classes != classes:
        raise ValueError(
            f"The program maps {classes} source classes: pass a source with as "
            f"many. Received: source={source.name} with "
            f"{specification.num_classes} classes"
        )
    accepted = specification.accepted_shape
    shape = input_transformation.expected_inputs
    if shape is None:  # The layer checks it when it meets the source.
        return
    if len(accepted) != len(shape) or any(
        size not in (None, wanted) for size, wanted in zip(accepted, shape)
    ):
        raise ValueError(
            f"The program makes inputs of shape {shape}: pass a source that "
            f"takes them. Received: source={source.name}, which takes "
            f"{accepted}"
        )
