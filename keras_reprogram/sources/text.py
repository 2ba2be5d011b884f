"""Sources that take embeddings instead of tokens, from text models."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import integer
from keras_reprogram.configurable import serializable
from keras_reprogram.keras_internals import graph_nodes
from keras_reprogram.sources.text_backbone import split_at_embedding
from keras_reprogram.typing import Tensor

POOLINGS = ("sequence", "mean", "first", "last", "pooled", "logits")
# Padding tokens of KerasHub's tokenizers that are not 0.
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
    """A KerasHub text model that takes embeddings instead of tokens.

    ```
    (embeddings, padding mask) -> transformer -> pooling
    ```

    The model is split after its token embedding, so a program may use
    embeddings that no token has. All weights are shared with the model.

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
        model: `keras.Model`. A KerasHub text backbone with one token
            embedding, such as BERT, RoBERTa, DistilBERT, GPT-2, OPT, Llama,
            Qwen or Gemma. For `pooling="logits"`, a text classifier, or a
            masked or causal language model with such a backbone.
        pooling: String. The output: `"sequence"` for the hidden states of all
            steps, `"mean"` for their mean without padding, `"first"` or
            `"last"` for the hidden state of the first or last step that is
            not padding, `"pooled"` for the model's pooled output, or
            `"logits"` for the task's logits, of classes or, at every step, of
            the vocabulary. Defaults to `"mean"`.
        **kwargs: Keyword arguments of `keras.Model`.

    Call arguments:
        inputs: A dictionary of `"embeddings"`, `(batch, length, width)`, and
            `"padding_mask"`, `(batch, length)`, 1 for a step and 0 for
            padding.

    Returns:
        A tensor `(batch, features)`, or `(batch, length, features)`.

    Raises:
        ValueError: If the model cannot be split, such as one with an encoder
            and a decoder, or with images, or does not support `pooling`.
    """

    def __init__(
        self, model: keras.Model, pooling: str = "mean", **kwargs: Any
    ) -> None:
        if pooling not in POOLINGS:
            raise ValueError(
                f"`pooling` must be one of {POOLINGS}. Received: "
                f"pooling={pooling!r}"
            )
        table, body = split_at_embedding(backbone_of(model))

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
        """The token that pads a sequence.

        If the model has a preprocessor, the padding token of its tokenizer,
        otherwise that of KerasHub's tokenizer for the backbone.
        """
        token = integer(getattr(tokenizer_of(self.model), "pad_token_id", None))
        if token is None:
            kinds = type(backbone_of(self.model)).__mro__
            found = (PADDING_TOKENS.get(kind.__name__) for kind in kinds)
            token = next((item for item in found if item is not None), 0)
        return token if 0 <= token < self.table.input_dim else 0

    @property
    def start_token(self) -> int | None:
        """The token that begins every sequence, `None` if not known."""
        preprocessor = getattr(self.model, "preprocessor", None)
        if not getattr(preprocessor, "add_start_token", True):
            return None
        tokenizer = tokenizer_of(self.model)
        names = ("cls_token_id", "start_token_id")
        tokens = (integer(getattr(tokenizer, name, None)) for name in names)
        return next((token for token in tokens if token is not None), None)

    @property
    def max_sequence_length(self) -> int | None:
        """The maximum number of steps, `None` if there is no limit."""
        return getattr(backbone_of(self.model), "max_sequence_length", None)

    def with_model(self, model: keras.Model) -> "TextSource":
        """Returns the same source of another model."""
        return TextSource(model, self.pooling, name=self.name)

    def get_config(self) -> dict[str, Any]:
        return {
            "model": keras.saving.serialize_keras_object(self.model),
            "pooling": self.pooling,
            "name": self.name,
            "trainable": self.trainable,
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


def logits(model: keras.Model, hidden: Tensor, padding_mask: Tensor) -> Tensor:
    """Returns the output of a task's head for its backbone's outputs."""
    head = getattr(model, "masked_lm_head", None)
    if head is not None:
        # The head takes mask positions: pass those of all steps.
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


def tokenizer_of(model: keras.Model) -> keras.layers.Layer | None:
    """Returns the tokenizer of a task's preprocessor, or `None`."""
    return getattr(getattr(model, "preprocessor", None), "tokenizer", None)


@serializable
class Readout(keras.layers.Layer):
    """Pools a sequence of hidden states.

    Args:
        kind: String. One of the values of `TextSource`'s `pooling` but
            `"logits"`.
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
        is_token = ops.cast(padding_mask, "bool")
        if self.kind == "mean":
            weights = ops.cast(is_token, "float32")
            total = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)
            weights = ops.cast(weights / total, hidden.dtype)
        else:
            if self.kind == "first":
                chosen = ops.argmax(ops.cast(is_token, "int32"), axis=1)
            else:
                chosen = ops.max(ops.where(is_token, steps, 0), axis=1)
            weights = ops.one_hot(
                chosen, ops.shape(padding_mask)[1], dtype=hidden.dtype
            )
        return ops.squeeze(ops.matmul(weights[:, None], hidden), axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind}
