"""Names of the layers of a source that are trained."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_reprogram import keras_internals
from keras_reprogram.configurable import integer
from keras_reprogram.sources.joined_source import JoinedSource
from keras_reprogram.sources.joined_source import parts_of


def names_of_layers(
    source: keras.Model, trainable_source_layers: int | Sequence[str]
) -> list[str]:
    """Checks `trainable_source_layers` and returns names of layers."""
    depth = integer(trainable_source_layers)
    if depth and isinstance(source, JoinedSource):
        raise ValueError(
            "Layers of a joined source are trained by name: pass a list of "
            "names of layers as `trainable_source_layers`. Received: "
            f"{trainable_source_layers}"
        )
    if depth is not None:
        layers = [layer for layer in source.layers if layer.weights]
        last = [layer.name for layer in layers]
        if not 0 <= depth <= len(last):
            raise ValueError(
                "`trainable_source_layers` must be the number of last layers, "
                f"0 to {len(last)}, or names of layers. Received: "
                f"trainable_source_layers={trainable_source_layers}"
            )
        chosen = layers[len(last) - depth :]
        if any(layer.trainable_weights for layer in layers):
            # The source is partly trainable: the others were frozen by hand.
            chosen = [layer for layer in chosen if layer.trainable_weights]
        return [layer.name for layer in chosen]
    names: list[Any] = (
        list(trainable_source_layers)
        if isinstance(trainable_source_layers, (list, tuple))
        else [trainable_source_layers]
    )
    known = {
        layer.name: layer
        for layer in keras_internals.flatten_layers(source, False)
        if layer.weights
    }
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            "`trainable_source_layers` must be names of the source's layers "
            f"with weights, or a number of its last ones. Received: {unknown}; "
            f"there are {sorted(known)}"
        )
    check_unambiguous(names, parts_of(source))
    return names


def check_unambiguous(
    names: Sequence[str], parts: Sequence[keras.Model]
) -> None:
    """Raises if different layers of several parts have one of the names.

    Args:
        names: Sequence of strings. Names of layers.
        parts: The result of `parts_of`.
    """
    found: dict[str, set[int]] = {}
    for part in {id(part): part for part in parts}.values():
        first = {
            layer.name: id(layer)
            for layer in reversed(keras_internals.flatten_layers(part))
        }
        for name, layer in first.items():
            found.setdefault(name, set()).add(layer)
    ambiguous = [name for name in names if len(found.get(name, ())) > 1]
    if ambiguous:
        raise ValueError(
            "`trainable_source_layers` must be names that layers of one part "
            "have; layers of several parts are named alike: set their `name`. "
            f"Received: {ambiguous}"
        )
