"""What is read from a source: logits, features and stages, in one pass."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
from keras import ops

from keras_reprogram.black_box import QueriedSource
from keras_reprogram.keras_internals import graph_nodes
from keras_reprogram.keras_internals import has_graph
from keras_reprogram.sources.features import features
from keras_reprogram.sources.features import with_scaling_of
from keras_reprogram.sources.inspection import inspect_source
from keras_reprogram.sources.output_blocks import block_sizes
from keras_reprogram.sources.output_blocks import sizes_of
from keras_reprogram.sources.stage_features import grid_average
from keras_reprogram.sources.stage_features import stage_outputs
from keras_reprogram.sources.text import TextSource
from keras_reprogram.typing import FixedShape
from keras_reprogram.typing import Shape

READOUTS = ("logits", "features", "stages")
GRID = 4


class Readout(NamedTuple):
    """A part of the output of a model with several readouts.

    Attributes:
        name: String. One of `READOUTS`.
        block_sizes: Tuple of integers. The number of features of each of its
            blocks, the stages.
    """

    name: str
    block_sizes: FixedShape


def with_readouts(
    source: keras.Model, names: Sequence[str], input_shape: Shape
) -> tuple[keras.Model, list[Readout]]:
    """Returns a model that concatenates the readouts of a source.

    Each layer of the source is computed once. Of a source with several
    inputs, with an output at every position, or without a graph, the output
    itself is the only readout; its name is `"logits"`.

    Args:
        source: `keras.Model`. The pretrained model.
        names: Sequence of strings from `READOUTS`.
        input_shape: Tuple of integers. Shape of the source's input without the
            batch axis.

    Returns:
        A `keras.Model`, and a list of `Readout` for those of `names` that the
        source has.
    """
    if not has_layers_to_read(source):
        own = Readout("logits", block_sizes(source))
        return source, [own] if "logits" in names else []
    heads = {"logits": source.outputs[0], "features": features_of(source)}
    heads = {
        name: tensor
        for name, tensor in heads.items()
        if name in names and tensor is not None
    }
    network = getattr(source, "backbone", source)
    stages = []
    if "stages" in names and getattr(network, "pyramid_outputs", None):
        stages = stage_outputs(network, None)
    if not heads and not stages:
        return source, []

    # === Functional Model ===
    inputs = keras.Input(input_shape, dtype=source.inputs[0].dtype)
    if not stages or network is source:
        whole = keras.Model(source.inputs, [*heads.values(), *stages])
        outputs = whole([inputs])
        head_outputs, stages = outputs[: len(heads)], outputs[len(heads) :]
    else:
        # The stages are inside the backbone, which the heads come after.
        ends = outputs_of(network, source)
        body = keras.Model(network.inputs, [*network.outputs, *stages])
        outputs = body([inputs])
        hidden, stages = outputs[: len(ends)], outputs[len(ends) :]
        head_outputs = []
        if heads:
            head = keras.Model(ends, list(heads.values()))
            head_outputs = head(hidden)
    data_format = getattr(network, "data_format", "channels_last")
    stages = [grid_average(stage, GRID, data_format) for stage in stages]
    parts = [*head_outputs, *stages]
    model = keras.Model(
        inputs,
        ops.concatenate([ops.cast(part, "float32") for part in parts], axis=-1),
        name=f"readouts_of_{source.name}",
    )
    readouts = [
        Readout(name, tuple(sizes_of(tensor))) for name, tensor in heads.items()
    ]
    if stages:
        sizes = tuple(stage.shape[-1] for stage in stages)
        readouts.append(Readout("stages", sizes))
    return with_scaling_of(source, model), readouts


def has_layers_to_read(source: keras.Model) -> bool:
    """Whether tensors of the source's graph can be outputs as well."""
    return (
        has_graph(source)
        and not isinstance(source, (QueriedSource, TextSource))
        and len(source.inputs) == 1
        and inspect_source(source).num_position_axes == 0
    )


def features_of(source: keras.Model) -> keras.KerasTensor | None:
    """Returns the inputs of the last layer, or `None` if it is not dense."""
    try:
        return features(source).outputs[0]
    except ValueError:
        return None


def outputs_of(
    network: keras.Model, source: keras.Model
) -> list[keras.KerasTensor]:
    """Returns what a part of a source computes in the source's graph."""
    for node in graph_nodes(source):
        if node.operation is network:
            return list(node.output_tensors)
    raise ValueError(
        "`backbone` of a source must be one of its layers: pass the backbone "
        f"as a source of its own. Received: {source.name} and {network.name}"
    )
