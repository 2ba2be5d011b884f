"""How a program recognises the source that it was trained on."""

import hashlib
from typing import Any

import keras
import numpy as np
from keras import ops


def fingerprint(source: keras.Model) -> dict[str, Any]:
    """Describes a source by its kind, its shapes and its weights.

    The digests are of the weights as float32, so the backend and the names
    that Keras gives to layers do not matter.

    Args:
        source: A built `keras.Model`.

    Returns:
        A dictionary that JSON can hold.
    """
    return {
        "model": type(source).__name__,
        "input_shape": list(source.inputs[0].shape[1:]),
        "output_shape": list(source.outputs[0].shape[1:]),
        "parameters": int(source.count_params()),
        "weights": [digest(weight) for weight in source.weights],
    }


def digest(weight: keras.Variable) -> str:
    values = ops.convert_to_numpy(ops.cast(weight, "float32"))
    content = np.ascontiguousarray(values).tobytes()
    shape = "x".join(map(str, values.shape))
    return f"{shape}:{hashlib.blake2b(content, digest_size=8).hexdigest()}"


def differences(source: keras.Model, expected: dict[str, Any]) -> list[str]:
    """Says in words where a source differs from a fingerprint.

    Args:
        source: The source at hand.
        expected: The fingerprint of another one.

    Returns:
        One sentence for each difference; none where they are the same.
    """
    received = fingerprint(source)
    found = [
        f"{key.replace('_', ' ')} is {received[key]}, not {expected.get(key)}"
        for key in ("model", "input_shape", "output_shape", "parameters")
        if received[key] != expected.get(key)
    ]
    wanted = list(expected.get("weights") or [])
    if len(wanted) != len(received["weights"]):
        found.append(
            f"there are {len(received['weights'])} weights, not {len(wanted)}"
        )
        return found
    changed = [
        weight.path
        for weight, ours, theirs in zip(
            source.weights, received["weights"], wanted
        )
        if ours != theirs
    ]
    if changed:
        found.append(
            f"{len(changed)} of {len(wanted)} weights have other values, "
            f"first {changed[0]}"
        )
    return found
