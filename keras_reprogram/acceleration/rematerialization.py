"""A source that computes again what it would have to remember."""

import contextlib
import functools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import keras


def rematerialize(source: keras.Model) -> keras.Model:
    """Has a source keep few of its activations for the backward pass.

    A source is taken for a chain of parts, `x_n = f_n(x_{n-1})`. Of each part
    only its input is kept; the backward pass computes the part again. That
    costs about one more forward pass, and memory for the longest part and for
    one tensor a part instead of all activations.

    Parts are the blocks of a network that repeats a layer made of layers, as
    transformers do. In other networks they are about `sqrt(n)` stretches of the
    `n` layers, cut where one tensor alone goes on. The source's outputs,
    gradients, weights and configuration stay the same.

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    x = inputs
    for _ in range(9):
        x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(x))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    keras_reprogram.acceleration.rematerialize(source)
    model = keras_reprogram.ReprogrammedModel(source)
    ```

    Args:
        source: The pretrained model, before a model around it is compiled. It
            is changed in place, for other uses of the same object too.

    Returns:
        The source.

    Raises:
        ValueError: If the source has no parts.

    References:
        - [Training deep nets with sublinear memory cost](https://arxiv.org/abs/1604.06174)
    """
    if any(map(makes_masks, source._flatten_layers())):
        raise ValueError(
            "A part that is computed again does not see the masks that Keras "
            "hands on with tensors: take a source whose masks are inputs. "
            f"Received: {type(source).__name__} {source.name!r}, with "
            "`mask_zero=True` or a `Masking` layer"
        )
    blocks = repeated_blocks(source)
    for block in blocks:
        if "call" not in vars(block):  # or it was asked for before
            block.call = recomputed(block.call)
    if blocks:
        return source
    chain = max(functional_models(source), key=size, default=None)
    parts = parts_of(chain) if chain else []
    if len(parts) < 2:
        raise ValueError(
            "Only a source that repeats a block of layers, or is a functional "
            "model that can be cut into parts, can be rematerialized. "
            f"Received: {type(source).__name__} {source.name!r}"
        )
    parts = [recomputed(part) for part in parts]
    chain.call = functools.partial(call_parts, parts)
    return source


def makes_masks(layer: keras.layers.Layer) -> bool:
    masking = isinstance(layer, keras.layers.Masking)
    return masking or bool(getattr(layer, "mask_zero", False))


def recomputed(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose inner values are computed again for its gradient."""

    def call(*args: Any, **kwargs: Any) -> Any:
        values = keras.tree.flatten((args, kwargs))
        tensors = [value for value in values if keras.ops.is_tensor(value)]

        # Of tensors alone: a backend would trace flags as well.
        def of_tensors(*tensors: Any) -> Any:
            rest = iter(tensors)
            whole = [
                next(rest) if keras.ops.is_tensor(value) else value
                for value in values
            ]
            args_again, kwargs_again = keras.tree.pack_sequence_as(
                (args, kwargs), whole
            )
            return function(*args_again, **kwargs_again)

        with whole_recomputation():
            return keras.remat(of_tensors)(*tensors)

    return call


def whole_recomputation() -> contextlib.AbstractContextManager:
    """Has PyTorch compute a part again to its end.

    By default it stops, where it has what it needs, by an exception, and Keras
    keeps what the traceback of an exception holds: all of the part's tensors.
    """
    if keras.config.backend() != "torch":
        return contextlib.nullcontext()
    from torch.utils import checkpoint

    return checkpoint.set_checkpoint_early_stop(False)


def repeated_blocks(source: keras.Model) -> list[keras.layers.Layer]:
    """The outermost layers made of layers that there are several of."""
    found: dict[int, keras.layers.Layer] = {}

    def search(layer: keras.layers.Layer) -> None:
        kinds = Counter(map(type, layer._layers))
        for part in layer._layers:
            repeated = kinds[type(part)] > 1 and part._layers
            if repeated and not isinstance(part, keras.Model):
                found[id(part)] = part
            else:
                search(part)

    search(source)
    return list(found.values())


def functional_models(source: keras.Model) -> list[keras.Model]:
    """The models of one input that a source is, or consists of."""
    return [
        layer
        for layer in source._flatten_layers()
        if hasattr(layer, "_nodes_by_depth") and len(layer.inputs) == 1
    ]


def size(chain: keras.Model) -> int:
    return len(chain.layers)


def parts_of(chain: keras.Model) -> list[keras.Model]:
    """Models that give a functional model's outputs one after the other."""
    cuts = cuts_of(chain)
    number = math.isqrt(size(chain))
    chosen = cuts[:: math.ceil(len(cuts) / number)] if cuts else []
    tensors = [chain.inputs[0], *chosen, chain.output]
    return [keras.Model(*ends) for ends in zip(tensors, tensors[1:])]


def cuts_of(chain: keras.Model) -> list[keras.KerasTensor]:
    """The tensors that alone go on from one half of a model to the other."""
    made: dict[int, tuple[int, keras.KerasTensor]] = {}
    used: dict[int, int] = {id(tensor): -1 for tensor in chain.outputs}
    for depth, nodes in chain._nodes_by_depth.items():
        for node in nodes:
            for tensor in node.outputs:
                made[id(tensor)] = depth, tensor
            for tensor in node.arguments.keras_tensors:
                used[id(tensor)] = min(used.get(id(tensor), depth), depth)
    ends = {id(tensor) for tensor in (*chain.inputs, *chain.outputs)}
    cuts: dict[int, keras.KerasTensor] = {}
    for depth in sorted(chain._nodes_by_depth, reverse=True):
        going_on = [
            tensor
            for key, (start, tensor) in made.items()
            if start >= depth > used.get(key, start)
        ]
        if len(going_on) == 1 and id(going_on[0]) not in ends:
            cuts[id(going_on[0])] = going_on[0]
    return list(cuts.values())


def call_parts(
    parts: list[Callable[..., Any]],
    inputs: Any,
    training: Any = None,
    **kwargs: Any,
) -> Any:
    for part in parts:
        inputs = part(inputs, training=training)
    return inputs
