"""Full watermark: one pattern over the whole resized sample, without bounds.

Title: Sample-specific Masks for Visual Reprogramming-based Prompting, where it
    is a baseline
Authors: Cai, Ye, Feng, Qi and Liu
Year: 2024
Link: https://arxiv.org/abs/2406.03150
Samples: images
Input: `UniversalPattern(activation=None)`
Output mapping: `"iterative"`
Loss: cross-entropy
Optimizer: Adam
Learning rate: 0.01
Epochs: 200

    x' = resize(x) + theta

Differences: optimizer, learning rate and epochs are the paper's for SMM.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import Mapping
from keras_reprogram.typing import Shape


def watermark(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape | None = None,
    mapping: str | Mapping = "iterative",
    learning_rate: float | LearningRateSchedule = 0.01,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """The full watermark of Cai et al. 2024.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.watermark(
        source, num_classes=3, target_shape=(8, 8, 1)
    )
    images = np.random.randint(0, 256, size=(16, 8, 8, 1), dtype="uint8")
    labels = np.arange(16) % 3
    model.fit(images, labels, epochs=2, verbose=0)
    ```

    Args:
        source: `keras.Model`. The pretrained model, which is frozen.
        num_classes: Integer. Number of target classes.
        target_shape: Tuple of integers. Shape of a sample without the batch
            axis. Defaults to `None`, for images of any size.
        mapping: Any mapping of `keras_reprogram.LabelMapper`. Defaults to
            `"iterative"`.
        learning_rate: Float or schedule of Adam. Defaults to `0.01`.
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
            **{"pattern": UniversalPattern(activation=None), **kwargs},
        ),
        LabelMapper(num_classes, mapping),
    )
    model.compile(
        optimizer or keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model
