"""How a program recognizes the source that it was trained on."""

import contextlib
import hashlib
import os.path
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_reprogram.sources.architecture import Architecture
from keras_reprogram.sources.architecture import merged_weights
from keras_reprogram.sources.fixed_inputs import MOST_VALUES
from keras_reprogram.sources.fixed_inputs import RANGES
from keras_reprogram.sources.fixed_inputs import farthest
from keras_reprogram.sources.fixed_inputs import outputs_on_fixed_inputs
from keras_reprogram.typing import Tensor

# A model by its graph is any of these.
GRAPHS = ("Functional", "Sequential", "Model")
LARGEST = 3.5e38  # of float32
LONGEST = 160  # characters of what a message shows


def fingerprint(
    source: keras.Model, probe: bool | None = None
) -> dict[str, Any]:
    """Describes a source by its kind, shapes, computation and weights.

    The digests are of the weights as float32, so the backend and the names
    that Keras gives to layers do not matter. The computation is described by
    the steps of the source's graph and, where a step has code of its own, by
    outputs on four fixed inputs.

    Args:
        source: A built `keras.Model`.
        probe: Whether to compute those outputs. Defaults to `None`: where a
            step has code of its own, and the source is not a
            `QueriedSource`, whose queries may cost something.

    Returns:
        A dictionary that JSON can hold.
    """
    architecture = Architecture(source)
    outputs = None
    if probe:
        outputs = outputs_on_fixed_inputs(source)
    elif probe is None and architecture.opaque and not architecture.queried:
        # A source that takes none of these inputs can be saved all the same.
        with contextlib.suppress(Exception):
            outputs = outputs_on_fixed_inputs(source)
    return {
        "model": type(source).__name__,
        "input_shape": list(source.inputs[0].shape[1:]),
        "output_shape": list(source.outputs[0].shape[1:]),
        "parameters": int(source.count_params()),
        "weights": [
            digest for _, digest in digests(source, architecture.weights)
        ],
        "architecture": {
            "steps": architecture.steps,
            "outputs": outputs,
        },
    }


def digests(
    source: keras.Model, weights: list[keras.Variable]
) -> list[tuple[str, str]]:
    """Paths and digests of weights as they are computed with."""
    merged = merged_weights(source)
    values = (
        (weight.path, merged.get(id(weight), weight)) for weight in weights
    )
    return [
        (path, digest(value)) for path, value in values if value is not None
    ]


def digest(weight: Tensor) -> str:
    values = ops.convert_to_numpy(ops.cast(weight, "float32"))
    content = np.ascontiguousarray(values).tobytes()
    shape = "x".join(map(str, values.shape))
    return f"{shape}:{hashlib.blake2b(content, digest_size=8).hexdigest()}"


def compare_fingerprints(
    source: keras.Model, expected: dict[str, Any], probe: bool = False
) -> list[str]:
    """Says in words where a source differs from a fingerprint.

    Args:
        source: The source at hand.
        expected: The fingerprint of another one.
        probe: Whether a `QueriedSource` is asked about the four fixed inputs,
            if the fingerprint holds its answers.

    Returns:
        One sentence for each difference; none where they are the same.
    """
    wanted = recorded(expected)
    if wanted is None:
        return differences_of_weights_alone(source, expected)
    found = different_ends(source, expected)
    architecture = Architecture(source)
    by_outputs = wanted["outputs"] is not None and (
        probe or not architecture.queried
    )
    step = different_step(architecture, wanted["steps"])
    # Other code may compute the same: outputs on fixed inputs tell.
    if step is not None and not (by_outputs and step.other_kinds):
        found.append(step.sentence)
    ordered = step is None or not step.other_kinds
    sentence = different_weights(
        digests(source, architecture.weights), expected["weights"], ordered
    )
    if sentence is not None:
        found.append(sentence)
    if by_outputs and not found:
        try:
            outputs = outputs_on_fixed_inputs(source)
            sentence = farthest(source, outputs, wanted["outputs"])
        except Exception as error:
            if architecture.queried:
                raise
            sentence = (
                "its outputs on four fixed inputs cannot be computed: "
                f"{excerpt(str(error))}"
            )
        found += [] if sentence is None else [sentence]
    return found


def recorded(expected: dict[str, Any]) -> dict[str, Any] | None:
    """The architecture in a fingerprint that anyone may have written.

    Returns:
        `None` for a fingerprint of version 0.1.0, which has none.

    Raises:
        ValueError: If there is something else.
    """
    if "architecture" not in expected:
        return None
    stored: dict[str, Any] = expected["architecture"]
    try:
        steps, outputs = stored["steps"], stored["outputs"]
        valid = (
            type(steps) is list
            and all(type(step) is str for step in steps)
            and (outputs is None or are_outputs(outputs))
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


def are_outputs(outputs: Tensor) -> bool:
    return (
        type(outputs) is list
        and len(outputs) == len(RANGES)
        and all(
            type(row) is list
            and 1 <= len(row) <= MOST_VALUES
            and all(
                type(value) in (int, float) and abs(value) <= LARGEST
                for value in row
            )
            for row in outputs
        )
    )


def different_ends(
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


def differences_of_weights_alone(
    source: keras.Model, expected: dict[str, Any]
) -> list[str]:
    """Differences from a fingerprint of version 0.1.0."""
    kinds = type(source).__name__, expected.get("model")
    more = [] if {*kinds} <= {*GRAPHS} else ["model"]
    found = different_ends(source, expected, *more, "parameters")
    received = [(weight.path, digest(weight)) for weight in source.weights]
    sentence = different_weights(received, expected.get("weights") or [])
    return found if sentence is None else [*found, sentence]


class Difference(NamedTuple):
    """Where two architectures differ first."""

    sentence: str
    other_kinds: bool


def different_step(
    architecture: Architecture, expected: list[str]
) -> Difference | None:
    steps = architecture.steps
    for index, (ours, theirs) in enumerate(zip(steps, expected)):
        if ours == theirs:
            continue
        start = max(0, len(os.path.commonprefix([ours, theirs])) - LONGEST // 2)
        name = architecture.names[index : index + 1]
        layer = f" ({name[0]})" if name and name[0] else ""
        return Difference(
            f"step {index} of its computation{layer} is "
            f"{excerpt(ours, start)}, not {excerpt(theirs, start)}",
            kind_of(ours) != kind_of(theirs),
        )
    if len(steps) != len(expected):
        more = max(steps, expected, key=len)[min(len(steps), len(expected))]
        return Difference(
            f"its computation has {len(steps)} steps, not {len(expected)}, "
            f"first {excerpt(more)}",
            True,
        )
    return None


def kind_of(step: str) -> str:
    return step.partition("(")[0].partition(" <-")[0]


def excerpt(text: str, start: int = 0) -> str:
    """A part of a text that may be long."""
    stop = start + LONGEST
    return (
        ("..." if start else "")
        + text[start:stop]
        + ("..." if len(text) > stop else "")
    )


def different_weights(
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
    """Says what a comparison leaves open, and what to do about it.

    Args:
        source: As for `compare_fingerprints`.
        expected: As for `compare_fingerprints`.
        probe: As for `compare_fingerprints`.

    Returns:
        Two sentences; `None` where nothing is left open.
    """
    wanted = recorded(expected)
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
