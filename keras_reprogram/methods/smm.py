"""SMM: a pattern under a mask of each sample's own.

Title: Sample-specific Masks for Visual Reprogramming-based Prompting
Authors: Cai, Ye, Feng, Qi and Liu
Year: 2024
Link: https://arxiv.org/abs/2406.03150
Samples: images
Input: `SampleMaskedPattern((8, 16, 32, 64))`
Output mapping: `"iterative"`
Loss: cross-entropy
Optimizer: Adam
Learning rate: 0.01, divided by 10 after 50 % and after 72 % of the steps
Epochs: 200 in batches of 256

    x' = resize(x) + theta * upsample(f_mask(resize(x)))

`f_mask` is a small convolutional network; its masks, one for each channel, are
upsampled by whole patches of 8x8 pixels. `theta` starts at zero.

Differences: the rate is constant here; for the paper's pass a
`keras.optimizers.schedules.PiecewiseConstantDecay`. For vision transformers
the paper has `filters=(8, 16, 32, 64, 128)`, and a tenth of the rate for the
network, which has the pattern's rate here.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import SampleMaskedPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import Mapping
from keras_reprogram.typing import Shape


def smm(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape | None = None,
    filters: tuple[int, ...] = (8, 16, 32, 64),
    patch_size: int = 8,
    mapping: str | Mapping = "iterative",
    learning_rate: float | LearningRateSchedule = 0.01,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """SMM, Cai et al. 2024.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.smm(
        source,
        num_classes=3,
        target_shape=(8, 8, 1),
        filters=(4, 8),
        patch_size=4,
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
        filters: Tuple of integers. Channels of the mask network's layers.
            Defaults to `(8, 16, 32, 64)`.
        patch_size: Integer. Height and width in pixels that share a value of
            the mask. Defaults to `8`.
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
            **{"pattern": SampleMaskedPattern(filters, patch_size), **kwargs},
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
