"""Layers that several sources share, kept shared by their configurations.

Keras's configurations of two models say nothing of the layers that both have:
each would be loaded with layers of its own. Here the places of shared layers
are found, and a model is built again with the layers of another one.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple
from typing import TypeAlias

import keras

from keras_reprogram import keras_internals
from keras_reprogram.sources.audio import AudioSource
from keras_reprogram.sources.text import TextSource
from keras_reprogram.typing import Tensor

# The names from a source down to a layer, each with its number among the
# sublayers of that name.
Path: TypeAlias = tuple[tuple[str, int], ...]
# Sources whose configuration is that of one model, and settings.
OF_ONE_MODEL = (AudioSource, TextSource)
# What Keras writes where an object was written before.
REFERENCE = "shared_object_id"


class SharedLayer(NamedTuple):
    """A layer of a source that another source has, too.

    Attributes:
        source: Integer. Index of the source.
        path: The layer's place in it.
        owner: Integer. Index of the source that keeps the layer.
        owner_path: The layer's place in that.
    """

    source: int
    path: Path
    owner: int
    owner_path: Path


def find_shared_layers(sources: Sequence[keras.Model]) -> list[SharedLayer]:
    """Returns which layers of sources belong to other sources, too.

    Args:
        sources: Sequence of models, each another object.

    Raises:
        ValueError: If a configuration cannot keep a layer shared, since a
            class with a configuration of its own contains it.
    """
    # What cannot be built again keeps its layers.
    order = sorted(
        range(len(sources)), key=lambda index: can_be_rebuilt(sources[index])
    )
    owners: dict[int, tuple[int, Path]] = {}
    found = []
    for index in order:
        for layer, path in layers_of(sources[index], owners):
            if id(layer) in owners:
                check_can_be_rebuilt(sources[index], path)
                found.append(SharedLayer(index, path, *owners[id(layer)]))
        for layer, path in layers_of(sources[index]):
            owners.setdefault(id(layer), (index, path))
    return found


def layers_of(
    layer: keras.layers.Layer,
    known: dict[int, tuple[int, Path]] | None = None,
    path: Path = (),
    seen: set[int] | None = None,
) -> Iterator[tuple[keras.layers.Layer, Path]]:
    """Yields a layer and its sublayers with their paths, inputs left out.

    Args:
        layer: The layer.
        known: Dictionary with the `id`s of layers whose sublayers are left
            out. Defaults to none.
        path: The layer's own path. Defaults to that of a source.
        seen: The `id`s of layers that were yielded. Defaults to none.
    """
    seen = set() if seen is None else seen
    if id(layer) in seen or isinstance(layer, keras.layers.InputLayer):
        return
    seen.add(id(layer))
    yield layer, path
    if id(layer) not in (known or {}):
        for name, child in named_sublayers(layer).items():
            yield from layers_of(child, known, (*path, name), seen)


def named_sublayers(
    layer: keras.layers.Layer,
) -> dict[tuple[str, int], keras.layers.Layer]:
    """Returns sublayers by name and number among those of that name."""
    found: dict[tuple[str, int], keras.layers.Layer] = {}
    counts: dict[str, int] = {}
    children = {id(child): child for child in children_of(layer)}
    for child in children.values():
        number = counts.get(child.name, 0)
        counts[child.name] = number + 1
        found[child.name, number] = child
    return found


def children_of(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Returns the sublayers that a layer is built from.

    Other attributes of a functional model, such as a preprocessor, are no part
    of its configuration.
    """
    if isinstance(layer, OF_ONE_MODEL):
        return [layer.model]
    if not can_be_rebuilt(layer):
        return keras_internals.sublayers(layer)
    operations = [node.operation for node in keras_internals.graph_nodes(layer)]
    return [it for it in operations if isinstance(it, keras.layers.Layer)]


def at_path(layer: keras.layers.Layer, path: Path) -> keras.layers.Layer:
    """Returns the sublayer at a path."""
    for name, number in path:
        layer = named_sublayers(layer)[name, number]
    return layer


def can_be_rebuilt(layer: keras.layers.Layer) -> bool:
    """Whether a model can be built again with other layers.

    Its configuration lists its layers, or it is one of `OF_ONE_MODEL`.
    """
    if isinstance(layer, OF_ONE_MODEL):
        return True
    return type(layer).__module__.startswith(
        "keras."
    ) and keras_internals.computes_graph(layer)


def check_can_be_rebuilt(source: keras.Model, path: Path) -> None:
    """Raises unless a source can be built again with another layer at a path.

    Args:
        source: The source.
        path: Path of a layer within it.
    """
    around = [at_path(source, path[:depth]) for depth in range(len(path))]
    for layer in around:
        if not can_be_rebuilt(layer):
            raise ValueError(
                "A saved model keeps layers that parts of a joined source "
                "share where the parts are functional or sequential models, "
                "`TextSource`s or `AudioSource`s: save the program, by "
                "`save_program`, or join models that share no layers. "
                "Received: a part "
                f"{source.name} that shares layers within a "
                f"{type(layer).__name__}"
            )


def with_shared_layers(
    sources: Sequence[keras.Model], shared: Sequence[SharedLayer]
) -> list[keras.Model]:
    """Returns sources that share layers as others did.

    Args:
        sources: Sequence of models that share no layers.
        shared: The result of `find_shared_layers` for the others.
    """
    replaced: dict[int, keras.layers.Layer] = {}
    for each in shared:
        old = at_path(sources[each.source], each.path)
        owner = at_path(sources[each.owner], each.owner_path)
        # What keeps a layer may itself have it from another source.
        replaced[id(old)] = replaced.get(id(owner), owner)
    return [rebuilt(source, replaced) for source in sources]


def rebuilt(
    layer: keras.layers.Layer, replaced: dict[int, keras.layers.Layer]
) -> keras.layers.Layer:
    """Returns a model with other layers, itself if none is replaced."""
    if id(layer) in replaced:
        return replaced[id(layer)]
    if not can_be_rebuilt(layer):
        return layer
    parts = {
        id(child): rebuilt(child, replaced) for child in children_of(layer)
    }
    if all(id(new) == key for key, new in parts.items()):
        return layer
    if isinstance(layer, OF_ONE_MODEL):
        (model,) = parts.values()
        return layer.with_model(model)
    inputs = inputs_like(keras_internals.graph_of(layer).input)
    outputs = keras_internals.run_function(
        keras_internals.graph_of(layer),
        inputs,
        None,
        lambda operation: parts.get(id(operation), operation),
    )
    replaced[id(layer)] = keras.Model(inputs, outputs, name=layer.name)
    return replaced[id(layer)]


def inputs_like(tensors: Tensor, suffix: str = "") -> Tensor:
    """Returns inputs of the structure, shapes and dtypes of other tensors.

    Args:
        tensors: A symbolic tensor, or a structure of them.
        suffix: String. Added to the names. Defaults to the empty string.
    """

    def input_like(tensor: keras.KerasTensor) -> keras.KerasTensor:
        return keras.Input(
            batch_shape=tensor.shape,
            dtype=tensor.dtype,
            name=f"{tensor.name}{suffix}",
        )

    return keras.tree.map_structure(input_like, tensors)


def without_references(config: object, ids: set[int]) -> object:
    """Returns a configuration in which no object of `ids` is a reference.

    Args:
        config: What Keras serialized.
        ids: The `id`s of objects.
    """
    if isinstance(config, (list, tuple)):
        return type(config)(without_references(each, ids) for each in config)
    if not isinstance(config, dict):
        return config
    return {
        key: without_references(value, ids)
        for key, value in config.items()
        if key != REFERENCE or value not in ids
    }
