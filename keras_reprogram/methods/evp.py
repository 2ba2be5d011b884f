"""EVP: a smaller sample within a border, trained by steps of one length.

Title: Unleashing the Power of Visual Prompting At the Pixel Level
Authors: Wu, Li, Wei, Wang, Yuille, Zhou and Xie
Year: 2022
Link: https://arxiv.org/abs/2212.10556
Samples: images
Input: `Pad(164)`, `UniversalPattern("outside", activation=None)`
Output mapping: `"identity"`
Loss: cross-entropy
Optimizer: `NormalizedGradient`
Learning rate: 70, by a cosine to 0
Epochs: 1000 in batches of 256

    x' = normalize(pad(x) + M * theta)
    theta <- theta - rate * g / ||g||

The sample is 164 pixels of a canvas of 224.

Differences: the rate is constant here; for the paper's pass a
`keras.optimizers.schedules.CosineDecay`. The norm is that of the border's
gradient alone, where the published code's includes the gradient under the
sample. The paper flips and crops samples at random: pass an `augmentation`, or
do so in the data set. A step of length 70 fits a border of 70,000 values and
CLIP: take a shorter one on a smaller canvas.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.optimizers import NormalizedGradient
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.typing import Shape


def evp(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape | None = None,
    inner_size: int = 164,
    learning_rate: float | LearningRateSchedule = 70.0,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """EVP, Wu et al. 2022.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.evp(
        source,
        num_classes=3,
        target_shape=(8, 8, 1),
        inner_size=12,
        learning_rate=0.5,
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
            Defaults to `164`.
        learning_rate: Float or schedule: the length of a step. Defaults to
            `70.0`.
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
                "placement": Pad(inner_size),
                "pattern": UniversalPattern("outside", activation=None),
                **kwargs,
            },
        ),
        LabelMapper(num_classes, "identity"),
    )
    model.compile(
        optimizer or NormalizedGradient(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model
