"""Trainable layers: a convolution before the source and a linear map behind it.

Title: An Improved (Adversarial) Reprogramming Technique for Neural Networks
Authors: Kloberdanz, Tian and Le
Year: 2021
Samples: images
Input: `ConvolutionPattern(3)`
Output mapping: `"linear"`
Loss: cross-entropy
Optimizer: Adam, ours
Learning rate: 0.001, ours
Epochs: ours

    x' = resize(x) + convolution(resize(x))
    outputs = logits @ W + b

Differences: the paper's first layer is not added to the sample. The output
layer starts from a logistic regression.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import ConvolutionPattern
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.typing import Shape


def trainable_layers(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape | None = None,
    kernel_size: int = 3,
    learning_rate: float | LearningRateSchedule = 0.001,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """Trainable input and output layers, Kloberdanz et al. 2021.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.trainable_layers(
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
        kernel_size: Integer. Height and width of the convolution's kernel in
            pixels. Defaults to `3`.
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
            **{"pattern": ConvolutionPattern(kernel_size), **kwargs},
        ),
        LabelMapper(num_classes, "linear"),
    )
    model.compile(
        optimizer or keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model
