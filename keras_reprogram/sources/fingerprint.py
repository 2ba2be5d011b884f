"""The fingerprint by which a program is matched with its source."""

import contextlib
import hashlib
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.sources.architecture import Architecture
from keras_reprogram.sources.architecture import merged_weights
from keras_reprogram.sources.fixed_inputs import outputs_on_fixed_inputs
from keras_reprogram.sources.joined_source import JoinedSource
from keras_reprogram.typing import Tensor


def fingerprint(
    source: keras.Model, probe: bool | None = None
) -> dict[str, Any]:
    """Describes a source by its class, shapes, computation and weights.

    The digests are computed from the weights as float32. Neither the backend
    nor the names that Keras gives to layers change them. The computation is
    described by the steps of the source's graph and, if a step runs code that
    its arguments do not determine, by outputs on four fixed inputs.

    Args:
        source: `keras.Model`. A built model.
        probe: Boolean. Whether to compute the outputs on fixed inputs.
            Defaults to `None`: they are computed if a step runs code that its
            arguments do not determine, except for a `QueriedSource`, whose
            queries may be charged for.

    Returns:
        A dictionary that can be written as JSON.

    Raises:
        ValueError: If the source is a `JoinedSource`, each part of which has
            a fingerprint of its own.
    """
    check_single(source)
    architecture = Architecture(source)
    outputs = None
    if probe:
        outputs = outputs_on_fixed_inputs(source)
    elif probe is None and architecture.opaque and not architecture.queried:
        # A source that accepts none of these inputs can still be saved.
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


def check_single(source: keras.Model) -> None:
    """Raises for a joined source."""
    if isinstance(source, JoinedSource):
        raise ValueError(
            "Each part of a joined source has a fingerprint of its own: take "
            "those of `source.sources`. Received: "
            f"source={source.name} of {len(source.sources)} parts"
        )


def digests(
    source: keras.Model, weights: list[keras.Variable]
) -> list[tuple[str, str]]:
    """Returns the path and digest of each weight, with LoRA merged."""
    merged = merged_weights(source)
    values = (
        (weight.path, merged.get(id(weight), weight)) for weight in weights
    )
    return [
        (path, weight_digest(value))
        for path, value in values
        if value is not None
    ]


def weight_digest(weight: Tensor) -> str:
    values = ops.convert_to_numpy(ops.cast(weight, "float32"))
    content = np.ascontiguousarray(values).tobytes()
    shape = "x".join(map(str, values.shape))
    return f"{shape}:{hashlib.blake2b(content, digest_size=8).hexdigest()}"
