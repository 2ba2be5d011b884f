"""Models whose backward pass recomputes activations."""

import contextlib
import functools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import keras

from keras_reprogram import keras_internals
from keras_reprogram.acceleration.fast_layers import with_fast_layers
from keras_reprogram.typing import Tensor


def rematerialize(source: keras.Model) -> keras.Model:
    """Returns a model that keeps few activations for the backward pass.

    The source is split into a sequence of parts, `x_n = f_n(x_{n-1})`. Only the
    input of each part is kept; the backward pass recomputes the part. This
    costs about one more forward pass, and needs memory for the largest part and
    one tensor per part instead of for all activations.

    The parts are the blocks of a network that repeats a composite layer, such
    as a transformer. In other networks they are about `sqrt(n)` segments of the
    `n` layers, each of which ends where only one tensor is passed on. Outputs,
    gradients, configuration and fingerprint are those of the source.

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    x = inputs
    for _ in range(9):
        x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(x))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    source = keras_reprogram.acceleration.rematerialize(source)
    model = keras_reprogram.ReprogrammedModel(source)
    ```

    Args:
        source: A built functional or sequential `keras.Model`. It is not
            changed.

    Returns:
        A functional `keras.Model` of the source's class and name, which
        shares its layers and variables. A saved copy of it is loaded without
        rematerialization.

    Raises:
        ValueError: If the source has no parts.

    References:
        - [Training deep nets with sublinear memory cost](https://arxiv.org/abs/1604.06174)
    """
    layers = keras_internals.flatten_layers(source)
    if any(map(makes_masks, layers)):
        raise ValueError(
            "A part that is recomputed does not receive the masks that Keras "
            "attaches to tensors: use a source whose masks are inputs. "
            f"Received: {type(source).__name__} {source.name!r}, with "
            "`mask_zero=True` or a `Masking` layer"
        )
    replacements = recomputed_layers(source)
    if not keras_internals.has_graph(source) or not replacements:
        raise ValueError(
            "Only a functional model that repeats a block of layers, or that "
            "can be split into parts, can be rematerialized. "
            f"Received: {type(source).__name__} {source.name!r}"
        )
    computation = keras_internals.substitute(
        keras_internals.graph_of(source),
        lambda layer: replacements.get(id(layer)),
    )
    model = keras_internals.functional_copy(source)
    model.call = computation.call
    return model


def recomputed_layers(source: keras.Model) -> dict[int, keras.layers.Layer]:
    """Layers that recompute activations, by the `id`s of the originals."""
    blocks = repeated_blocks(source)
    if blocks:
        return {
            id(block): keras_internals.shallow_copy(
                block, call=recomputed(with_fast_layers(block).call)
            )
            for block in blocks
        }
    chain = max(functional_models(source), key=num_layers, default=None)
    parts = split_into_parts(chain) if chain else []
    if chain is None or len(parts) < 2:
        return {}
    call = functools.partial(call_parts, chain, parts)
    return {id(chain): keras_internals.shallow_copy(chain, call=call)}


def makes_masks(layer: keras.layers.Layer) -> bool:
    masking = isinstance(layer, keras.layers.Masking)
    return masking or bool(getattr(layer, "mask_zero", False))


def recomputed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function whose gradient recomputes intermediate values."""

    def call(*args: Any, **kwargs: Any) -> object:
        values = keras.tree.flatten((args, kwargs))
        tensors = [value for value in values if keras.ops.is_tensor(value)]

        # A function of tensors alone, because a backend would trace flags too.
        def of_tensors(*tensors: Any) -> object:
            remaining = iter(tensors)
            filled = [
                next(remaining) if keras.ops.is_tensor(value) else value
                for value in values
            ]
            new_args, new_kwargs = keras.tree.pack_sequence_as(
                (args, kwargs), filled
            )
            return function(*new_args, **new_kwargs)

        with complete_recomputation():
            return keras.remat(of_tensors)(*tensors)

    return call


def complete_recomputation() -> contextlib.AbstractContextManager[Any]:
    """Context in which PyTorch recomputes each part completely.

    By default it stops with an exception once it has the tensors that it needs.
    Keras keeps the objects of an exception's traceback, and with them all
    tensors of the part.
    """
    if keras.config.backend() != "torch":
        return contextlib.nullcontext()
    from torch.utils import checkpoint

    return checkpoint.set_checkpoint_early_stop(False)


def repeated_blocks(source: keras.Model) -> list[keras.layers.Layer]:
    """Returns the outermost composite layers that occur more than once."""
    blocks: dict[int, keras.layers.Layer] = {}

    def search(layer: keras.layers.Layer) -> None:
        parts = keras_internals.sublayers(layer)
        kinds = Counter(map(type, parts))
        for part in parts:
            is_repeated = kinds[type(part)] > 1
            if (
                is_repeated
                and keras_internals.sublayers(part)
                and not isinstance(part, keras.Model)
            ):
                blocks[id(part)] = part
            else:
                search(part)

    search(source)
    return list(blocks.values())


def functional_models(source: keras.Model) -> list[keras.Model]:
    """Returns the functional models with one input in a source."""
    models = {
        id(graph): graph
        for layer in keras_internals.flatten_layers(source)
        if keras_internals.computes_graph(layer)
        for graph in [keras_internals.graph_of(layer)]
    }
    return [model for model in models.values() if len(model.inputs) == 1]


def num_layers(model: keras.Model) -> int:
    return len(model.layers)


def split_into_parts(model: keras.Model) -> list[keras.Function]:
    """Returns graphs whose sequence computes a functional model."""
    cuts = cut_tensors(model)
    number = math.isqrt(num_layers(model))
    chosen = cuts[:: math.ceil(len(cuts) / number)] if cuts else []
    tensors = [model.inputs[0], *chosen, model.output]
    return [keras.Function(*ends) for ends in zip(tensors, tensors[1:])]


def cut_tensors(model: keras.Model) -> list[keras.KerasTensor]:
    """Returns the tensors that alone connect two halves of a model."""
    # Depth decreases from the inputs to the outputs.
    producers: dict[int, tuple[int, keras.KerasTensor]] = {}
    last_uses: dict[int, int] = {id(tensor): -1 for tensor in model.outputs}
    nodes_by_depth = keras_internals.nodes_by_depth(model)
    for depth, nodes in nodes_by_depth:
        for node in nodes:
            for tensor in node.outputs:
                producers[id(tensor)] = depth, tensor
            for tensor in node.arguments.keras_tensors:
                last_use = last_uses.get(id(tensor), depth)
                last_uses[id(tensor)] = min(last_use, depth)
    ends = {id(tensor) for tensor in (*model.inputs, *model.outputs)}
    cuts: dict[int, keras.KerasTensor] = {}
    for depth, _ in nodes_by_depth:
        live = [
            tensor
            for key, (start, tensor) in producers.items()
            if start >= depth > last_uses.get(key, start)
        ]
        if len(live) == 1 and id(live[0]) not in ends:
            cuts[id(live[0])] = live[0]
    return list(cuts.values())


def call_parts(
    model: keras.Model,
    parts: list[keras.Function],
    inputs: Tensor,
    training: bool | None = None,
    mask: Tensor = None,
) -> Any:
    """Calls a functional model by its parts."""
    values: Any = keras_internals.standardize_inputs(model, inputs)
    for part in parts:
        run = functools.partial(
            keras_internals.run_function,
            part,
            training=training,
            operation=with_fast_layers,
        )
        values = recomputed(run)(values)
    # As `Functional.call` does.
    if isinstance(values, (list, tuple)) and len(values) == 1:
        return values[0]
    return values
