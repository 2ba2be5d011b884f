"""Zero-shot classifiers made of image-text models."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import serializable
from keras_reprogram.kept_state import KeptState
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor
from keras_reprogram.vectors import unit_vectors


def embed_texts(
    backbone: keras.Model, token_ids: np.ndarray, batch_size: int = 32
) -> np.ndarray:
    """Computes the text embeddings of a zero-shot classifier.

    Example:

    ```python
    # preprocessor = keras_hub.models.CLIPPreprocessor.from_preset(preset)
    # texts = ["a photo of a cat", "a photo of a dog"]
    # tokens = preprocessor({"prompts": texts, "images": None})["token_ids"]
    # embeddings = keras_reprogram.sources.embed_texts(backbone, tokens)
    ```

    Args:
        backbone: `keras.Model`. A KerasHub `CLIPBackbone`,
            `MetaCLIP2Backbone` or `SigLIPBackbone`.
        token_ids: Integer array `[texts, length]`, from the backbone's
            tokenizer or preprocessor.
        batch_size: Integer. Number of texts encoded at a time. Defaults to
            `32`.

    Returns:
        A float32 array `[texts, D]` of unit vectors. The embedding of a class
        may also be the mean over several phrasings of it.

    Raises:
        ValueError: If the backbone has no text tower, or a token is not in its
            vocabulary.
    """
    if not hasattr(backbone, "get_text_embeddings"):
        raise ValueError(
            "`backbone` must be an image-text backbone of KerasHub: CLIP, "
            f"MetaCLIP 2 or SigLIP. Received: {type(backbone).__name__}"
        )
    token_ids = check_tokens(token_ids, backbone.text_encoder.vocabulary_size)
    inputs = keras.Input((token_ids.shape[1],), dtype="int32")
    outputs = ops.cast(backbone.get_text_embeddings(inputs), "float32")
    # A `KeptState` keeps the backbone's weights when it is interrupted.
    tower = KeptState(inputs, outputs)
    embeddings = tower.predict(token_ids, batch_size=batch_size, verbose=0)
    return np.asarray(unit_vectors(embeddings, library=np))


def check_tokens(token_ids: Tensor, vocabulary_size: int) -> np.ndarray:
    token_ids = ops.convert_to_numpy(token_ids)
    if token_ids.ndim != 2 or not len(token_ids):
        raise ValueError(
            "`token_ids` must have the shape [texts, length]. Received: "
            f"token_ids of shape {token_ids.shape}"
        )
    if token_ids.dtype.kind not in "iu":
        raise ValueError(
            "`token_ids` must be integers, as the backbone's tokenizer "
            f"returns them. Received: token_ids of dtype {token_ids.dtype}"
        )
    if token_ids.min() < 0 or token_ids.max() >= vocabulary_size:
        raise ValueError(
            f"`token_ids` must be from 0 to {vocabulary_size - 1}, the "
            "backbone's vocabulary. Received: token_ids from "
            f"{token_ids.min()} to {token_ids.max()}"
        )
    return np.asarray(token_ids, "int32")


def zero_shot_classifier(
    backbone: keras.Model,
    text_embeddings: np.ndarray,
    image_converter: keras.layers.Layer | None = None,
) -> keras.Model:
    """Returns the image tower of an image-text model, with texts as classes.

    ```
    logits = scale * cos(image embedding, text embeddings) + bias
    ```

    The text embeddings are weights of the model, which does not include the
    text tower. If the texts are the names of the target classes, use
    `LabelMapper(mapping="identity")`; if they are attributes, use
    `keras_reprogram.outputs.AttributeMapping`.

    Example:

    ```python
    # backbone = keras_hub.models.CLIPBackbone.from_preset(
    #     "clip_vit_base_patch16"
    # )
    # source = keras_reprogram.sources.zero_shot_classifier(
    #     backbone, embeddings, preprocessor.image_converter
    # )
    # model = keras_reprogram.ReprogrammedModel(
    #     source,
    #     label_mapper=keras_reprogram.LabelMapper(
    #         len(embeddings), "identity"
    #     ),
    # )
    ```

    Args:
        backbone: `keras.Model`. A KerasHub `CLIPBackbone`,
            `MetaCLIP2Backbone` or `SigLIPBackbone`.
        text_embeddings: Array `[texts, D]`, from `embed_texts`.
        image_converter: `keras.layers.Layer`. The `image_converter` of the
            preprocessor. Its scaling becomes part of the source, whose inputs
            are then pixels from 0 to 255. Defaults to `None`: the inputs are
            those of the backbone.

    Returns:
        A `keras.Model` from images to logits `(batch, texts)`.

    Raises:
        ValueError: If the embeddings are not finite, or not as wide as those
            of the images.

    References:
        - [CLIP](https://arxiv.org/abs/2103.00020)
        - [SigLIP](https://arxiv.org/abs/2303.15343)
    """
    inputs = keras.Input(backbone.vision_encoder.image_shape, name="images")
    images = inputs
    if image_converter is not None:
        images = keras.layers.Rescaling(
            image_converter.scale or 1.0, image_converter.offset or 0.0
        )(images)
    embeddings = backbone.get_vision_embeddings(images)
    (head,) = (
        layer for layer in backbone.layers if hasattr(layer, "logit_scale")
    )
    similarity = TextSimilarity(len(text_embeddings), name="text_similarity")
    outputs = similarity(embeddings)
    bias = getattr(head, "logit_bias", None)
    similarity.set_texts(
        text_embeddings,
        np.exp(float(ops.convert_to_numpy(head.logit_scale.value))),
        0.0 if bias is None else float(ops.convert_to_numpy(bias.value)),
    )
    return keras.Model(inputs, outputs, name="zero_shot_classifier")


@serializable
class TextSimilarity(keras.layers.Layer):
    """Computes scaled cosine similarities of image and text embeddings.

    Args:
        num_texts: Integer. Number of texts.
        **kwargs: Keyword arguments of `keras.layers.Layer`.
    """

    def __init__(self, num_texts: int, **kwargs: Any) -> None:
        # No autocast: embeddings may exceed the range of float16 before they
        # are normalized.
        super().__init__(**{"autocast": False, **kwargs})
        self.num_texts = num_texts

    def build(self, input_shape: Shape) -> None:
        self.texts = self.add_weight(
            name="texts",
            shape=(input_shape[-1], self.num_texts),
            trainable=False,
        )
        self.logit_scale = self.add_weight(
            name="logit_scale", shape=(), initializer="ones", trainable=False
        )
        self.logit_bias = self.add_weight(
            name="logit_bias", shape=(), initializer="zeros", trainable=False
        )

    def set_texts(
        self, embeddings: np.ndarray, logit_scale: float, logit_bias: float
    ) -> None:
        """Sets the text embeddings `[texts, D]` and the scale and bias."""
        embeddings = np.asarray(embeddings, "float64")
        if embeddings.T.shape != tuple(self.texts.shape):
            raise ValueError(
                "`text_embeddings` must be as wide as the image embeddings: "
                f"of shape [texts, {self.texts.shape[0]}]. Received: "
                f"embeddings of shape {embeddings.shape}"
            )
        if not np.isfinite(embeddings).all():
            raise ValueError(
                "`text_embeddings` must be finite. Received: embeddings with "
                "NaN or infinity"
            )
        texts = unit_vectors(embeddings, library=np).T
        self.texts.assign(texts.astype("float32"))
        self.logit_scale.assign(logit_scale)
        self.logit_bias.assign(logit_bias)

    def call(self, inputs: Tensor) -> Tensor:
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        texts, scale, bias = (
            ops.cast(weight, dtype)
            for weight in (self.texts, self.logit_scale, self.logit_bias)
        )
        images = unit_vectors(ops.cast(inputs, dtype))
        logits = ops.add(ops.multiply(ops.matmul(images, texts), scale), bias)
        return ops.cast(logits, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.num_texts)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_texts": self.num_texts}
