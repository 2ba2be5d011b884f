"""Text models that take embeddings where they took tokens."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import integer
from keras_reprogram.configurable import serializable
from keras_reprogram.keras_internals import graph_nodes
from keras_reprogram.typing import Tensor

POOLINGS = ("sequence", "mean", "first", "last", "pooled", "logits")
INPUTS = ("token_ids", "padding_mask", "segment_ids", "position_ids")
# What KerasHub's tokenizers pad with; the others' padding is 0.
PADDING_TOKENS = {
    "BloomBackbone": 3,
    "ESMBackbone": 1,
    "FNetBackbone": 3,
    "OPTBackbone": 1,
    "Qwen3Backbone": 151643,
    "Qwen3MoeBackbone": 151643,
    "RobertaBackbone": 1,  # and XLM-RoBERTa, its subclass
}


@serializable
class TextSource(keras.Model):
    """A KerasHub text model, cut after its token embedding.

    ```
    (embeddings, padding mask) -> transformer -> pooling
    ```

    The source's tokens are left behind but for their embeddings: a program
    may then say what no word says. All weights are the model's own.

    Example:

    ```python
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=50,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=32,
    )  # stands for a pretrained one
    source = keras_reprogram.sources.TextSource(backbone, pooling="mean")
    features = source(
        {
            "embeddings": np.random.rand(2, 10, 8),
            "padding_mask": np.ones((2, 10), "int32"),
        }
    )
    features.shape  # (2, 8)
    ```

    Args:
        model: A KerasHub text backbone with one token embedding, such as
            BERT, RoBERTa, DistilBERT, GPT-2, OPT, Llama, Qwen or Gemma; for
            `pooling="logits"`, a task of one: a text classifier, a masked or
            a causal language model.
        pooling: What is returned: the hidden states of the whole
            `"sequence"`; their `"mean"` over the steps that are no padding;
            that of the `"first"` or the `"last"` such step; the `"pooled"`
            output, where the model has one; or the task's `"logits"`, of
            classes or, at every step, of the vocabulary.
        **kwargs: Keyword arguments of `keras.Model`.

    Call arguments:
        inputs: A dictionary of `"embeddings"`, `(batch, length, width)`, and
            `"padding_mask"`, `(batch, length)`, 1 for a step and 0 for
            padding.

    Returns:
        A tensor `(batch, features)`, or `(batch, length, features)`.

    Raises:
        ValueError: If the model cannot be cut, such as one with an encoder
            and a decoder, or with images, or has no such pooling.
    """

    def __init__(
        self, model: keras.Model, pooling: str = "mean", **kwargs: Any
    ) -> None:
        if pooling not in POOLINGS:
            raise ValueError(
                f"`pooling` must be one of {POOLINGS}. Received: "
                f"pooling={pooling!r}"
            )
        table, body = cut(backbone_of(model))

        # === Functional Model ===
        embeddings = keras.Input(
            (None, table.output_dim), name="embeddings", dtype="float32"
        )
        padding_mask = keras.Input((None,), name="padding_mask", dtype="int32")
        hidden = body([embeddings, padding_mask])
        if pooling == "logits":
            outputs = logits(model, hidden, padding_mask)
        else:
            outputs = Readout(pooling)(hidden, padding_mask)
        inputs = {"embeddings": embeddings, "padding_mask": padding_mask}
        super().__init__(inputs, outputs, **kwargs)

        # === Config ===
        self.model = model
        self.pooling = pooling
        self.table = table

    @property
    def token_embeddings(self) -> keras.Variable:
        """The embeddings of the source's tokens, `[vocabulary, width]`."""
        if getattr(self.table, "quantization_mode", None) is not None:
            # The variable holds integers without their scale.
            return self.table(ops.arange(self.table.input_dim))
        return self.table.embeddings

    @property
    def padding_token(self) -> int:
        """The token that fills up a sequence.

        That of the model's tokenizer, where it has a preprocessor; otherwise
        what KerasHub's tokenizers for this backbone pad with.
        """
        token = integer(getattr(tokenizer_of(self.model), "pad_token_id", None))
        if token is None:
            kinds = type(backbone_of(self.model)).__mro__
            found = (PADDING_TOKENS.get(kind.__name__) for kind in kinds)
            token = next((item for item in found if item is not None), 0)
        return token if 0 <= token < self.table.input_dim else 0

    @property
    def start_token(self) -> int | None:
        """The token that begins every sequence; `None` where not known."""
        preprocessor = getattr(self.model, "preprocessor", None)
        if not getattr(preprocessor, "add_start_token", True):
            return None
        tokenizer = tokenizer_of(self.model)
        names = ("cls_token_id", "start_token_id")
        tokens = (integer(getattr(tokenizer, name, None)) for name in names)
        return next((token for token in tokens if token is not None), None)

    @property
    def max_sequence_length(self) -> int | None:
        """Most steps that the model has positions for; `None` for any."""
        return getattr(backbone_of(self.model), "max_sequence_length", None)

    def get_config(self) -> dict[str, Any]:
        return {
            "model": keras.saving.serialize_keras_object(self.model),
            "pooling": self.pooling,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: dict[str, Any] | None = None,
    ) -> "TextSource":
        model = keras.saving.deserialize_keras_object(
            config.pop("model"), custom_objects=custom_objects
        )
        return cls(model, **config)


def cut(backbone: keras.Model) -> tuple[Any, keras.Model]:
    """Cuts a backbone after its token embedding.

    Returns:
        The layer that holds the token embeddings, and a model from
        embeddings and padding mask to what the backbone returns.
    """
    table = getattr(backbone, "token_embedding", None)
    inputs = getattr(backbone, "input", None)
    inputs = inputs if isinstance(inputs, dict) else {}
    first = first_layer(backbone, table)
    if (
        table is None
        or first is None
        or "token_ids" not in inputs
        or {*inputs} - {*INPUTS}
    ):
        raise not_cut(backbone)
    others = [name for name in INPUTS[1:] if name in inputs]
    masks = masks_of_tokens(backbone, inputs["token_ids"])
    try:
        rest = keras.Model(
            [first.output, *[inputs[name] for name in others], *masks],
            backbone.output,
        )
    except ValueError as error:  # the tokens are read elsewhere, too
        raise not_cut(backbone) from error

    embeddings = keras.Input((None, table.output_dim))
    padding_mask = keras.Input((None,), dtype="int32")
    start = embeddings
    if first is not table:
        # One layer for tokens and positions: its second half is added here.
        start = embeddings + first.position_embedding(embeddings)
    values = {
        "padding_mask": padding_mask,
        "segment_ids": ops.zeros_like(padding_mask),
        "position_ids": ops.cumsum(ops.ones_like(padding_mask), axis=1) - 1,
    }
    there = ops.cast(padding_mask, "bool")
    outputs = rest(
        [start, *[values[name] for name in others], *[there] * len(masks)]
    )
    if isinstance(outputs, dict) and "sequence_output" not in outputs:
        raise not_cut(backbone)
    return table, keras.Model([embeddings, padding_mask], outputs)


def first_layer(backbone: keras.Model, table: Tensor) -> Tensor:
    """The layer that embeds the tokens: the table, or what holds it."""
    for layer in getattr(backbone, "layers", ()) if table is not None else ():
        if layer is table:
            return layer
        if getattr(layer, "token_embedding", None) is table:
            return layer if hasattr(layer, "position_embedding") else None
    return None


def masks_of_tokens(backbone: keras.Model, tokens: Tensor) -> list[Any]:
    """The masks that a backbone computes from its tokens, as ESM's does."""
    return [
        node.output_tensors[0]
        for node in graph_nodes(backbone)
        if type(node.operation).__name__ == "NotEqual"
        and any(tensor is tokens for tensor in node.input_tensors)
    ]


def not_cut(backbone: Any) -> ValueError:
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


def logits(model: keras.Model, hidden: Tensor, padding_mask: Tensor) -> Tensor:
    """What a task's head makes of its backbone's outputs."""
    head = getattr(model, "masked_lm_head", None)
    if head is not None:
        # The head asks for positions: all of them.
        steps = ops.ones_like(padding_mask)
        hidden = keras.tree.flatten(hidden)[-1]
        return head(hidden, ops.cumsum(steps, axis=1) - 1)
    backbone = backbone_of(model)
    for node in graph_nodes(model):
        if node.operation is backbone is not model:
            rest = keras.Model(node.output_tensors, model.output)
            return rest(keras.tree.flatten(hidden))
    raise ValueError(
        '`pooling="logits"` needs a task of KerasHub with a head: a text '
        "classifier, or a masked or causal language model. Received: "
        f"{type(model).__name__}"
    )


def backbone_of(model: keras.Model) -> keras.Model:
    return getattr(model, "backbone", model)


def tokenizer_of(model: keras.Model) -> Any:
    """The tokenizer of a task's preprocessor, or `None`."""
    return getattr(getattr(model, "preprocessor", None), "tokenizer", None)


@serializable
class Readout(keras.layers.Layer):
    """Reads one vector, or all of them, from a sequence of hidden states.

    Args:
        kind: As `TextSource`'s `pooling`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind

    def call(self, hidden: Tensor, padding_mask: Tensor) -> Tensor:
        if self.kind == "pooled":
            if not isinstance(hidden, dict):
                raise ValueError(
                    '`pooling="pooled"` needs a model with a pooled output, '
                    'such as BERT: use "mean" or "last". Received: a model '
                    "with one output"
                )
            return hidden["pooled_output"]
        if isinstance(hidden, dict):
            hidden = hidden["sequence_output"]
        if self.kind == "sequence":
            return hidden
        steps = ops.arange(ops.shape(padding_mask)[1])
        there = ops.cast(padding_mask, "bool")
        if self.kind == "mean":
            weights = ops.cast(there, "float32")
            total = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)
            weights = ops.cast(weights / total, hidden.dtype)
        else:
            if self.kind == "first":
                chosen = ops.argmax(ops.cast(there, "int32"), axis=1)
            else:
                chosen = ops.max(ops.where(there, steps, 0), axis=1)
            weights = ops.one_hot(
                chosen, ops.shape(padding_mask)[1], dtype=hidden.dtype
            )
        return ops.squeeze(ops.matmul(weights[:, None], hidden), axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind}
