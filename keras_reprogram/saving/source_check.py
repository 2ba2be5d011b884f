"""Whether a program is put in front of the source that it was trained on."""

import warnings
from typing import Any

import keras

from keras_reprogram.inputs import InputTransformation
from keras_reprogram.sources import compare_fingerprints
from keras_reprogram.sources import inspect_source
from keras_reprogram.sources import not_compared

# What also asks a source that is only queried.
OUTPUTS = "outputs"


def check_same(
    source: keras.Model,
    expected: dict[str, Any],
    probe: bool = False,
    stacklevel: int = 5,  # to whom calls `load_program`
) -> None:
    """Raises if a source is another one, and warns of what is not compared."""
    found = compare_fingerprints(source, expected, probe)
    if found:
        raise ValueError(
            "The program was trained on another source: "
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
        warnings.warn(left_open, stacklevel=stacklevel)


def check_fits(
    source: keras.Model,
    expected: dict[str, Any],
    input_transformation: InputTransformation,
) -> None:
    """Raises unless the program's inputs and label map suit the source.

    Args:
        source: The source.
        expected: Fingerprint of the source that the program was trained on.
        input_transformation: Built or not.
    """
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
