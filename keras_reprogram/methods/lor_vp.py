"""LoR-VP: a pattern of low rank over the whole resized sample.

Title: LoR-VP: Low-Rank Visual Prompting for Efficient Vision Model Adaptation
Authors: Jin, Li, Zhao, Wang, Liu, Metaxas and others
Year: 2025
Link: https://arxiv.org/abs/2502.00896
Samples: images
Input: `UniversalPattern(activation=None, basis=LowRank(4))`
Output mapping: `"linear"`
Loss: cross-entropy
Optimizer: SGD with momentum 0.9, weight decay 1e-4
Learning rate: 0.02, by a cosine to 0
Epochs: 20 in batches of 256

    x' = resize(x) + B A

for each channel, with `B` of shape `[height, 4]` and `A` of `[4, width]`.

Differences: the rate is constant here; for the published code's pass a
`keras.optimizers.schedules.CosineDecay`. The weight decay is Keras's, which
the momentum does not gather. The label map starts from a logistic regression.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import LowRank
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import Mapping
from keras_reprogram.typing import Shape


def lor_vp(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape | None = None,
    rank: int = 4,
    mapping: str | Mapping = "linear",
    learning_rate: float | LearningRateSchedule = 0.02,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """LoR-VP, Jin et al. 2025.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.lor_vp(
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
        rank: Integer. Rank of each channel's pattern. Defaults to `4`.
        mapping: Any mapping of `keras_reprogram.LabelMapper`. Defaults to
            `"linear"`.
        learning_rate: Float or schedule of SGD. Defaults to `0.02`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.InputReprogrammer`. They
            replace the settings of this page.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    pattern = UniversalPattern(activation=None, basis=LowRank(rank))
    model = ReprogrammedModel(
        source,
        InputReprogrammer(target_shape, **{"pattern": pattern, **kwargs}),
        LabelMapper(num_classes, mapping),
    )
    model.compile(
        optimizer
        or keras.optimizers.SGD(learning_rate, momentum=0.9, weight_decay=1e-4),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model
