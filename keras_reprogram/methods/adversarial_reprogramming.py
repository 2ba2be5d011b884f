"""Adversarial reprogramming: the first work, a bounded pattern around the data.

Title: Adversarial Reprogramming of Neural Networks
Authors: Elsayed, Goodfellow and Sohl-Dickstein
Year: 2019
Link: https://arxiv.org/abs/1806.11146
Samples: images
Input: `Pad()`, `UniversalPattern("outside")`, in the source's units
Output mapping: `"identity"`
Loss: cross-entropy, plus `lambda * sum(theta^2)`
Optimizer: Adam
Learning rate: 0.05, times 0.96 every two epochs
Epochs: 30

    x' = pad(x) + M * tanh(theta)

The sample keeps its own size in the middle of the canvas. The pattern is in
the units of the source, which the paper takes from -1 to 1. The first source
classes stand for the target classes.

Differences: the learning rate, the epochs and `lambda` = 5e-7 are those of a
public implementation, https://github.com/Prinsphield/Adversarial_Reprogramming;
the rate is constant here, for a decaying one pass a
`keras.optimizers.schedules.ExponentialDecay`.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.typing import Shape


def adversarial_reprogramming(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape | None = None,
    inner_size: int | None = None,
    regularization: float = 5e-7,
    learning_rate: float | LearningRateSchedule = 0.05,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """Adversarial reprogramming, Elsayed et al. 2019.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.adversarial_reprogramming(
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
        inner_size: Integer. Height and width of the resized sample in pixels.
            Defaults to `None`, for the sample's own size.
        regularization: Float. The `lambda` of the L2 penalty. Defaults to
            `5e-7`.
        learning_rate: Float or schedule of Adam. Defaults to `0.05`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.InputReprogrammer`. They
            replace the settings of this page.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    pattern = UniversalPattern(
        "outside", regularizer=keras.regularizers.L2(regularization)
    )
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            target_shape,
            **{
                "placement": Pad(inner_size),
                "pattern": pattern,
                "normalize_first": True,
                **kwargs,
            },
        ),
        LabelMapper(num_classes, "identity"),
    )
    model.compile(
        optimizer or keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model
