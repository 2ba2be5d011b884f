"""Rendered tokens: a sequence of tokens as a picture of learned patches.

Title: Cross-modal Adversarial Reprogramming
Authors: Neekhara, Hussain, Du, Dubnov, Koushanfar and McAuley
Year: 2022
Link: https://arxiv.org/abs/2102.07325
Samples: tokens
Input: `TokenPatches(vocabulary_size, 16)`
Output mapping: `"linear"`
Loss: cross-entropy
Optimizer: Adam
Learning rate: 0.001
Epochs: 100 in batches of 4

    x' = tiles of tanh(embedding(token)), in raster order

on an image classifier. The last token pads a sequence that is shorter than the
canvas.

Differences: the published code's linear layer reads probabilities, where this
one reads logits and starts from a logistic regression. It also has ten source
classes for each target class without training: pass `mapping="identity"` and
`sources_per_target=10`; their mean counts here, and there their largest.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import TokenPatches
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import Mapping
from keras_reprogram.typing import Shape


def rendered_tokens(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape,
    vocabulary_size: int,
    patch_size: int = 16,
    mapping: str | Mapping = "linear",
    sources_per_target: int = 1,
    learning_rate: float | LearningRateSchedule = 0.001,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """Rendered tokens, Neekhara et al. 2022.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.rendered_tokens(
        source,
        num_classes=3,
        target_shape=(10,),
        vocabulary_size=20,
        patch_size=4,
    )
    tokens = np.random.randint(0, 20, size=(16, 10))
    labels = np.arange(16) % 3
    model.fit(tokens, labels, epochs=2, verbose=0)
    ```

    Args:
        source: `keras.Model`. The pretrained image classifier, which is
            frozen.
        num_classes: Integer. Number of target classes.
        target_shape: Tuple of one integer, the length of a sequence.
        vocabulary_size: Integer. Number of target tokens.
        patch_size: Integer. Height and width of a token's patch in pixels.
            Defaults to `16`.
        mapping: Any mapping of `keras_reprogram.LabelMapper`. Defaults to
            `"linear"`.
        sources_per_target: Integer. Source classes of a target class where
            the mapping chooses them. Defaults to `1`.
        learning_rate: Float or schedule of Adam. Defaults to `0.001`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.InputReprogrammer`. They
            replace the settings of this page.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            target_shape,
            **{
                "placement": TokenPatches(vocabulary_size, patch_size),
                "pattern": None,
                **kwargs,
            },
        ),
        LabelMapper(
            num_classes, mapping, sources_per_target=sources_per_target
        ),
    )
    model.compile(
        optimizer or keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model
