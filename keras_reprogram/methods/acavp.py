"""ACAVP: an affine transformation, factors of colors and a pattern around.

Title: Enhancing Visual Prompting through Expanded Transformation Space and Overfitting Mitigation
Authors: Enomoto
Year: 2025
Link: https://arxiv.org/abs/2510.07823
Samples: images
Input: `ColorGain(Affine(scale=0.73))`, `UniversalPattern(activation=None)`
Output mapping: `"identity"`
Loss: cross-entropy
Optimizer: SGD with momentum 0.9
Learning rate: 40, by a cosine to 0
Epochs: 1000 in batches of 256

    x' = 6 * sigmoid(phi) * affine(resize(x)) + M * theta

The affine transformation has seven numbers: a rotation and two shears within
0.1, two translations within 0.05 of the canvas's size, and two scales that
start at 0.73. `M` is where it leaves the canvas free, and every factor of a
color is 1 at the start.

Differences: the rate is constant here; for the paper's pass a
`keras.optimizers.schedules.CosineDecay`. The transformation is about the middle
of the canvas, where the published code's is about its corner; its scales are
from 0.54 to 0.99, where a sigmoid has them from 0 to 1; and `M` is smooth. The
published code divides gradients by their norms where the source is CLIP. The
paper's augmentation, TrivialAugment with flips and crops, matters most of its
parts: apply it in the data set, or pass an `augmentation`, such as
`keras.layers.RandAugment(value_range=(0, 255), num_ops=1)`, which is alike.
"""  # noqa: E501

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import Affine
from keras_reprogram.inputs import ColorGain
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import Mapping
from keras_reprogram.typing import Shape

# Rotation, scale, shear and translation, which is in halves of the canvas.
LIMIT = (0.1, 0.3, 0.1, 0.1)


def acavp(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape | None = None,
    scale: float = 0.73,
    mapping: str | Mapping = "identity",
    learning_rate: float | LearningRateSchedule = 40.0,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """ACAVP, Enomoto 2025.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.acavp(
        source, num_classes=3, target_shape=(8, 8, 1), learning_rate=0.1
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
        scale: Float. The initial size of the sample as a share of the
            canvas. Defaults to `0.73`.
        mapping: Any mapping of `keras_reprogram.LabelMapper`. Defaults to
            `"identity"`.
        learning_rate: Float or schedule of SGD. Defaults to `40.0`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.InputReprogrammer`. They
            replace the settings of this page.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    affine = Affine("resize", scale=scale, limit=LIMIT, outside=True)
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            target_shape,
            **{
                "placement": ColorGain(affine, largest=6.0),
                "pattern": UniversalPattern(activation=None),
                **kwargs,
            },
        ),
        LabelMapper(num_classes, mapping),
    )
    model.compile(
        optimizer or keras.optimizers.SGD(learning_rate, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model
