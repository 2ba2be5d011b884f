"""AttrVR: a border before an image-text model, and classes as attributes.

Title: Attribute-based Visual Reprogramming for Vision-Language Models
Authors: Cai, Ye, Feng, Qi and Liu
Year: 2025
Link: https://arxiv.org/abs/2501.13982
Samples: images
Input: `Pad(192)`, `UniversalPattern("outside", activation="sigmoid")`
Output mapping: `AttributeMapping(attributes, top_k=3)`
Loss: cross-entropy
Optimizer: SGD with momentum 0.9
Learning rate: 40, by a cosine to 0
Epochs: 200 in batches of 64

    x' = pad(x) + M * sigmoid(theta)
    outputs[t] = mean over kinds of (mean of the 3 largest source outputs
                                     among the attributes of t of the kind)

The source is a `keras_reprogram.sources.zero_shot_classifier` of attributes:
short texts, 20 that describe each class and 20 that tell it from others.

Differences: the rate is constant here; for the paper's pass a
`keras.optimizers.schedules.CosineDecay`. It is made for CLIP at 224x224: other
sources may need a smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import AttributeMapping
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.typing import Shape


def attr_vr(
    source: keras.Model,
    attributes: Sequence[Sequence[Sequence[int]]],
    target_shape: Shape | None = None,
    top_k: int = 3,
    inner_size: int = 192,
    learning_rate: float | LearningRateSchedule = 40.0,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """AttrVR, Cai et al. 2025.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.attr_vr(
        source,
        attributes=[[[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9], [10, 11]]],
        target_shape=(8, 8, 1),
        top_k=1,
        inner_size=12,
        learning_rate=0.1,
    )
    images = np.random.randint(0, 256, size=(16, 8, 8, 1), dtype="uint8")
    labels = np.arange(16) % 3
    model.fit(images, labels, epochs=2, verbose=0)
    ```

    Args:
        source: `keras.Model`. The pretrained model, which is frozen: a
            `keras_reprogram.sources.zero_shot_classifier`.
        attributes: For every kind of attributes, for every target class, the
            list of the source classes that are its attributes.
        target_shape: Tuple of integers. Shape of a sample without the batch
            axis. Defaults to `None`, for images of any size.
        top_k: Integer. Attributes of a kind that count for a sample. Defaults
            to `3`.
        inner_size: Integer. Height and width of the resized sample in pixels.
            Defaults to `192`.
        learning_rate: Float or schedule of SGD. Defaults to `40.0`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.InputReprogrammer`. They
            replace the settings of this page.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    mapping = AttributeMapping(attributes, top_k)
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            target_shape,
            **{
                "placement": Pad(inner_size),
                "pattern": UniversalPattern("outside", activation="sigmoid"),
                **kwargs,
            },
        ),
        LabelMapper(len(mapping.kinds[0]), mapping),
    )
    model.compile(
        optimizer or keras.optimizers.SGD(learning_rate, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model
