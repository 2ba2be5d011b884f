"""BLM and BLM+: a border around the sample, and a label map by Bayes' rule.

Title: Bayesian-guided Label Mapping for Visual Reprogramming
Authors: Cai, Ye, Feng, Qi and Liu
Year: 2024
Link: https://arxiv.org/abs/2410.24018
Samples: images
Input: `Pad(128)`, `UniversalPattern("outside", activation="sigmoid")`
Output mapping: `"bayesian_plus"`
Loss: cross-entropy
Optimizer: Adam
Learning rate: 0.01, divided by 10 after 50 % and after 72 % of the steps
Epochs: 200

    x' = pad(x) + M * sigmoid(theta)
    outputs = logits @ W,    W[s, t] ~ C[s, t] / (sum over t of C[s, t] + 1)

Every column of `W` is divided by its sum. In BLM, `C[s, t]` counts the samples
of class `t` that the source takes for class `s`; in BLM+ it is the sum of
their probabilities of `s`, where `s` is among a sample's largest: as many as
15 % of the target classes.

Differences: the rate is constant here; for the paper's pass a
`keras.optimizers.schedules.PiecewiseConstantDecay`. `W` is solved at the end
of an epoch from its training steps.
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
from keras_reprogram.outputs import Mapping
from keras_reprogram.typing import Shape


def blm_vp(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape | None = None,
    inner_size: int = 128,
    mapping: str | Mapping = "bayesian_plus",
    learning_rate: float | LearningRateSchedule = 0.01,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """BLM and BLM+, Cai et al. 2024.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.blm_vp(
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
        inner_size: Integer. Height and width of the resized sample in pixels.
            Defaults to `128`.
        mapping: `"bayesian_plus"` for BLM+, `"bayesian"` for BLM, or such a
            mapping with settings of its own. Defaults to `"bayesian_plus"`.
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
            **{
                "placement": Pad(inner_size),
                "pattern": UniversalPattern("outside", activation="sigmoid"),
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
