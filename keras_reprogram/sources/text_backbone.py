"""A KerasHub text backbone split into token embedding and transformer."""

import keras
from keras import ops

from keras_reprogram.keras_internals import graph_nodes

# The inputs of a backbone that can be computed from a padding mask, after the
# tokens themselves.
INPUTS = ("token_ids", "padding_mask", "segment_ids", "position_ids")


def split_at_embedding(
    backbone: keras.Model,
) -> tuple[keras.layers.Layer, keras.Model]:
    """Splits a backbone after its token embedding.

    Args:
        backbone: `keras.Model`. A KerasHub text backbone.

    Returns:
        The layer that holds the token embeddings, and a model from embeddings
        and padding mask to the backbone's outputs.

    Raises:
        ValueError: If the backbone cannot be split.
    """
    table = getattr(backbone, "token_embedding", None)
    inputs = getattr(backbone, "input", None)
    inputs = inputs if isinstance(inputs, dict) else {}
    layer = embedding_layer(backbone, table)
    if (
        table is None
        or layer is None
        or "token_ids" not in inputs
        or {*inputs} - {*INPUTS}
    ):
        raise unsupported_backbone(backbone)
    others = [name for name in INPUTS[1:] if name in inputs]
    masks = masks_of_tokens(backbone, inputs["token_ids"])
    try:
        rest = keras.Model(
            [layer.output, *[inputs[name] for name in others], *masks],
            backbone.output,
        )
    except ValueError as error:  # Another layer takes the tokens, too.
        raise unsupported_backbone(backbone) from error

    embeddings = keras.Input((None, table.output_dim))
    padding_mask = keras.Input((None,), dtype="int32")
    start = embeddings
    if layer is not table:
        # One layer embeds tokens and positions: add the positions here.
        start = embeddings + layer.position_embedding(embeddings)
    values = {
        "padding_mask": padding_mask,
        "segment_ids": ops.zeros_like(padding_mask),
        "position_ids": ops.cumsum(ops.ones_like(padding_mask), axis=1) - 1,
    }
    is_token = ops.cast(padding_mask, "bool")
    outputs = rest(
        [start, *[values[name] for name in others], *[is_token] * len(masks)]
    )
    if isinstance(outputs, dict) and "sequence_output" not in outputs:
        raise unsupported_backbone(backbone)
    return table, keras.Model([embeddings, padding_mask], outputs)


def embedding_layer(
    backbone: keras.Model, table: keras.layers.Layer | None
) -> keras.layers.Layer | None:
    """Returns the layer that takes the tokens: the table or its parent."""
    for layer in getattr(backbone, "layers", ()) if table is not None else ():
        if layer is table:
            return layer
        if getattr(layer, "token_embedding", None) is table:
            return layer if hasattr(layer, "position_embedding") else None
    return None


def masks_of_tokens(
    backbone: keras.Model, tokens: keras.KerasTensor
) -> list[keras.KerasTensor]:
    """Returns masks that a backbone such as ESM computes from its tokens."""
    return [
        node.output_tensors[0]
        for node in graph_nodes(backbone)
        if type(node.operation).__name__ == "NotEqual"
        and any(tensor is tokens for tensor in node.input_tensors)
    ]


def unsupported_backbone(backbone: object) -> ValueError:
    inputs = getattr(backbone, "input", None)
    return ValueError(
        "`model` must be a text backbone of KerasHub, or a task of one, with "
        "one token embedding, which alone reads the tokens, and no inputs but "
        f"{', '.join(f'`{name}`' for name in INPUTS)}, such as BERT, "
        "RoBERTa, GPT-2, Llama or a Gemma without images. An encoder and a "
        "decoder in one model, images and audio are not supported. Received: "
        f"{type(backbone).__name__} with inputs "
        f"{sorted(inputs) if isinstance(inputs, dict) else None}"
    )
