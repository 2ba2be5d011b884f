"""AutoVP: a pattern around a sample whose size is trained, and a trained map.

Title: AutoVP: An Automated Visual Prompting Framework and Benchmark
Authors: Tsao, Hsiung, Chen, Liu and Ho
Year: 2024
Link: https://arxiv.org/abs/2310.08381
Samples: images
Input: `ScaledPad(128)`, `UniversalPattern(activation="sigmoid")`
Output mapping: `"linear"`, searched among `"frequency"`, `"iterative"` and
    `SemanticMapping`
Loss: cross-entropy
Optimizer: Adam
Learning rate: 0.001, divided by 10 after 50 % and after 72 % of the steps
Epochs: 200

    x' = pad(resize(x, scale * 128)) + M * sigmoid(theta)

`scale` is trained between 0.1 and 5. The paper's search chooses its start from
0.5, 1 and 1.5, and the source and the output mapping: `examples/search.py`.

Differences: the rate is constant here; for the paper's pass a
`keras.optimizers.schedules.PiecewiseConstantDecay`. Before CLIP the published
code has SGD with a rate of 40 and a momentum of 0.9 instead, and a pattern
without bounds: pass `optimizer` and `pattern`.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import ScaledPad
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import Mapping
from keras_reprogram.typing import Shape


def auto_vp(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape | None = None,
    inner_size: int = 128,
    scale: float = 1.0,
    mapping: str | Mapping = "linear",
    learning_rate: float | LearningRateSchedule = 0.001,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """AutoVP, Tsao et al. 2024.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.auto_vp(
        source, num_classes=3, target_shape=(8, 8, 1), inner_size=10
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
        inner_size: Integer. Height and width of the sample in pixels at a
            scale of 1. Defaults to `128`.
        scale: Float. The scale at which training starts. Defaults to `1.0`.
        mapping: Any mapping of `keras_reprogram.LabelMapper`. Defaults to
            `"linear"`.
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
                "placement": ScaledPad(inner_size, scale),
                "pattern": UniversalPattern(activation="sigmoid"),
                **kwargs,
            },
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
