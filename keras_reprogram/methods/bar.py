"""BAR: adversarial reprogramming of a source that can only be queried.

Title: Transfer Learning without Knowing: Reprogramming Black-box Machine
    Learning Models with Scarce Data and Limited Resources
Authors: Tsai, Chen and Ho
Year: 2020
Link: https://arxiv.org/abs/2007.08714
Samples: images
Input: `Pad()`, `UniversalPattern("outside")`, in the source's units
Output mapping: `"frequency"`, ten source classes a target
Loss: cross-entropy, its gradient by `OneSided(25)`
Optimizer: Adam
Learning rate: 0.05
Epochs: ours

    x' = pad(x) + M * tanh(theta)
    g = d / q * sum_i u_i * (loss(theta + beta u_i) - loss(theta)) / beta

with `q` directions `u_i` on the unit sphere of the pattern's `d` values. The
paper takes `q` = 25 for brain networks of 200x200 pixels on a canvas of
299x299, batches of 20, and ten source classes for each target class.

Differences: `beta` is ours, and Adam is taken from the published code, which
trains with the true gradient. The paper's focal loss with a focus of 2 weighs
classes by their frequency, and is worth a few points where classes are
unbalanced: pass `class_weight="balanced"` to `fit`.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.black_box import GradientEstimator
from keras_reprogram.black_box import OneSided
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.typing import Shape


def bar(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape | None = None,
    inner_size: int | None = None,
    sources_per_target: int = 10,
    gradient_estimator: GradientEstimator | None = None,
    learning_rate: float | LearningRateSchedule = 0.05,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """BAR, Tsai et al. 2020.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.bar(
        source,
        num_classes=3,
        target_shape=(8, 8, 1),
        sources_per_target=4,
    )
    images = np.random.randint(0, 256, size=(16, 8, 8, 1), dtype="uint8")
    labels = np.arange(16) % 3
    model.fit(images, labels, epochs=2, verbose=0)
    ```

    Args:
        source: `keras.Model`. The pretrained model, which is frozen: a
            `keras_reprogram.black_box.QueriedSource` for one behind an API.
        num_classes: Integer. Number of target classes.
        target_shape: Tuple of integers. Shape of a sample without the batch
            axis. Defaults to `None`, for images of any size.
        inner_size: Integer. Height and width of the resized sample in pixels.
            Defaults to `None`, for the sample's own size.
        sources_per_target: Integer. Source classes of a target class.
            Defaults to `10`.
        gradient_estimator: A `keras_reprogram.black_box.GradientEstimator`.
            Defaults to `OneSided(25)`.
        learning_rate: Float or schedule of Adam. Defaults to `0.05`.
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
                "pattern": UniversalPattern("outside"),
                "normalize_first": True,
                **kwargs,
            },
        ),
        LabelMapper(
            num_classes, "frequency", sources_per_target=sources_per_target
        ),
    )
    model.compile(
        optimizer or keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
        gradient_estimator=gradient_estimator or OneSided(25),
    )
    return model
