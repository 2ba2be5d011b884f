"""Comparison of a source with the fingerprint of another one."""

import os.path
from typing import Any
from typing import NamedTuple

import keras

from keras_reprogram.sources.architecture import Architecture
from keras_reprogram.sources.fingerprint import check_single
from keras_reprogram.sources.fingerprint import digests
from keras_reprogram.sources.fingerprint import weight_digest
from keras_reprogram.sources.fixed_inputs import MAX_VALUES
from keras_reprogram.sources.fixed_inputs import RANGES
from keras_reprogram.sources.fixed_inputs import difference_of_outputs
from keras_reprogram.sources.fixed_inputs import outputs_on_fixed_inputs

# Class names of models that their graph determines.
GRAPH_CLASSES = ("Functional", "Sequential", "Model")
MAX_FLOAT32 = 3.5e38
EXCERPT_LENGTH = 160  # Characters of a text that a message shows.


def compare_fingerprints(
    source: keras.Model, expected: dict[str, Any], probe: bool = False
) -> list[str]:
    """Describes where a source differs from a fingerprint.

    Args:
        source: `keras.Model`. The source to compare.
        expected: Dictionary. The fingerprint of another source, returned by
            `fingerprint`.
        probe: Boolean. Whether to query a `QueriedSource` with the four fixed
            inputs, if the fingerprint holds outputs on them. Defaults to
            `False`.

    Returns:
        A list of strings, one sentence for each difference. It is empty if
        the source matches the fingerprint.

    Raises:
        ValueError: If the fingerprint is damaged, or the source is a
            `JoinedSource`.
    """
    check_single(source)
    wanted = recorded_architecture(expected)
    if wanted is None:
        return differences_from_version_0_1_0(source, expected)
    found = differences_of_shapes(source, expected)
    architecture = Architecture(source)
    by_outputs = wanted["outputs"] is not None and (
        probe or not architecture.queried
    )
    step = first_different_step(architecture, wanted["steps"])
    # Different code may compute the same: then compare the outputs.
    if step is not None and not (by_outputs and step.other_class):
        found.append(step.sentence)
    ordered = step is None or not step.other_class
    sentence = difference_of_weights(
        digests(source, architecture.weights), expected["weights"], ordered
    )
    if sentence is not None:
        found.append(sentence)
    if by_outputs and not found:
        try:
            outputs = outputs_on_fixed_inputs(source)
            sentence = difference_of_outputs(source, outputs, wanted["outputs"])
        except Exception as error:
            if architecture.queried:
                raise
            sentence = (
                "its outputs on four fixed inputs cannot be computed: "
                f"{excerpt(str(error))}"
            )
        found += [] if sentence is None else [sentence]
    return found


def recorded_architecture(expected: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the architecture in a fingerprint, after checking its types.

    Returns:
        A dictionary; `None` for a fingerprint of version 0.1.0, which holds
        no architecture.

    Raises:
        ValueError: If the architecture is not valid.
    """
    if "architecture" not in expected:
        return None
    stored: dict[str, Any] = expected["architecture"]
    try:
        steps, outputs = stored["steps"], stored["outputs"]
        valid = (
            type(steps) is list
            and all(type(step) is str for step in steps)
            and (outputs is None or are_valid_outputs(outputs))
        )
    except (KeyError, TypeError):
        valid = False
    if not valid:
        raise ValueError(
            "The file does not describe the architecture of its source, or "
            "was damaged: save the program again, or load it with "
            "`check_source=False`. Received: an architecture of "
            f"{excerpt(str(stored))}"
        )
    return stored


def are_valid_outputs(outputs: object) -> bool:
    return (
        type(outputs) is list
        and len(outputs) == len(RANGES)
        and all(
            type(row) is list
            and 1 <= len(row) <= MAX_VALUES
            and all(
                type(value) in (int, float) and abs(value) <= MAX_FLOAT32
                for value in row
            )
            for row in outputs
        )
    )


def differences_of_shapes(
    source: keras.Model, expected: dict[str, Any], *more: str
) -> list[str]:
    received = {
        "model": type(source).__name__,
        "input_shape": list(source.inputs[0].shape[1:]),
        "output_shape": list(source.outputs[0].shape[1:]),
        "parameters": int(source.count_params()),
    }
    return [
        f"{key.replace('_', ' ')} is {received[key]}, not "
        f"{excerpt(str(expected.get(key)))}"
        for key in (*more, "input_shape", "output_shape")
        if received[key] != expected.get(key)
    ]


def differences_from_version_0_1_0(
    source: keras.Model, expected: dict[str, Any]
) -> list[str]:
    """Returns differences from a fingerprint without an architecture."""
    kinds = type(source).__name__, expected.get("model")
    more = [] if {*kinds} <= {*GRAPH_CLASSES} else ["model"]
    found = differences_of_shapes(source, expected, *more, "parameters")
    received = [
        (weight.path, weight_digest(weight)) for weight in source.weights
    ]
    sentence = difference_of_weights(received, expected.get("weights") or [])
    return found if sentence is None else [*found, sentence]


class StepDifference(NamedTuple):
    """The first step in which two architectures differ.

    Attributes:
        sentence: String. Describes the difference.
        other_class: Boolean. Whether the steps are of different classes.
    """

    sentence: str
    other_class: bool


def first_different_step(
    architecture: Architecture, expected: list[str]
) -> StepDifference | None:
    steps = architecture.steps
    for index, (ours, theirs) in enumerate(zip(steps, expected)):
        if ours == theirs:
            continue
        start = max(
            0, len(os.path.commonprefix([ours, theirs])) - EXCERPT_LENGTH // 2
        )
        name = architecture.names[index : index + 1]
        layer = f" ({name[0]})" if name and name[0] else ""
        return StepDifference(
            f"step {index} of its computation{layer} is "
            f"{excerpt(ours, start)}, not {excerpt(theirs, start)}",
            kind_of(ours) != kind_of(theirs),
        )
    if len(steps) != len(expected):
        more = max(steps, expected, key=len)[min(len(steps), len(expected))]
        return StepDifference(
            f"its computation has {len(steps)} steps, not {len(expected)}, "
            f"first {excerpt(more)}",
            True,
        )
    return None


def kind_of(step: str) -> str:
    return step.partition("(")[0].partition(" <-")[0]


def excerpt(text: str, start: int = 0) -> str:
    """Returns a part of a long text, with dots for what is left out."""
    stop = start + EXCERPT_LENGTH
    return (
        ("..." if start else "")
        + text[start:stop]
        + ("..." if len(text) > stop else "")
    )


def difference_of_weights(
    received: list[tuple[str, str]], wanted: list[str], ordered: bool = True
) -> str | None:
    if len(wanted) != len(received):
        return f"there are {len(received)} weights, not {len(wanted)}"
    if not ordered:
        received = sorted(received, key=lambda weight: weight[1])
        wanted = sorted(wanted)
    changed = [
        path for (path, ours), theirs in zip(received, wanted) if ours != theirs
    ]
    if not changed:
        return None
    return (
        f"{len(changed)} of {len(wanted)} weights have other values, first "
        f"{changed[0]}"
    )


def not_compared(
    source: keras.Model, expected: dict[str, Any], probe: bool = False
) -> str | None:
    """Describes what `compare_fingerprints` does not compare.

    Args:
        source: `keras.Model`. The source to compare.
        expected: Dictionary. The fingerprint of another source, returned by
            `fingerprint`.
        probe: Boolean. Whether a `QueriedSource` is queried with the four
            fixed inputs. Defaults to `False`.

    Returns:
        A string that names what is not compared and how to compare it;
        `None` if everything is compared.

    Raises:
        ValueError: If the fingerprint is damaged.
    """
    wanted = recorded_architecture(expected)
    if wanted is None:
        return (
            "The program was saved before architectures were recorded, so the "
            "source was compared by its weights alone. Save it again."
        )
    architecture = Architecture(source)
    if architecture.queried and not probe:
        return (
            "The function of a queried source was not compared, since each "
            "query may cost something. To compare its answers to four fixed "
            "inputs, save the program with `probe_source=True` and load it "
            'with `check_source="outputs"`.'
        )
    if architecture.opaque and wanted["outputs"] is None:
        return (
            "The source has layers of its own code, and its outputs were not "
            "recorded, so what they compute was not compared. Save the "
            "program with `probe_source=True`."
        )
    return None
