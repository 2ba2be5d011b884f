"""BlackVIP: a prompt of each sample's own, for a source behind an API.

Title: BlackVIP: Black-Box Visual Prompting for Robust Transfer Learning
Authors: Oh, Hwang, Lee, Lim, Jung, Jung, Choi and Song
Year: 2023
Link: https://arxiv.org/abs/2303.14773
Samples: images
Input: `CoordinatorPattern(encoder)`, clipped
Output mapping: `"identity"`
Loss: cross-entropy, its gradient by `SPSA(5)`
Optimizer: SGD with Nesterov momentum 0.9 (SPSA-GC)
Learning rate: 0.01 / (k + 1)^0.4 in step k
Epochs: 1000 in batches of 128

    x' = clip(x + strength * decoder(encoder(x)))

The encoder is frozen and is no part of the program; the decoder is trained by
simultaneous perturbation, two queries a sample and direction:

    g = mean_i (loss(w + c_k D_i) - loss(w - c_k D_i)) / (2 c_k D_i)
    c_k = 0.01 / (k + 1)^0.1

Differences: the optimizer's momentum gathers steps and not gradients, which
differ by as much as the rate falls from one step to the next. Random crops
and flips of the samples belong into the data set.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.black_box import SPSA
from keras_reprogram.black_box import PowerDecay
from keras_reprogram.inputs import CoordinatorPattern
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.typing import Shape


def black_vip(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape | None = None,
    encoder: keras.Model | None = None,
    strength: float = 1.0,
    exact_gradient: bool = False,
    learning_rate: float | LearningRateSchedule | None = None,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """BlackVIP, Oh et al. 2023.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    features = keras.layers.GlobalMaxPooling2D()(inputs)
    encoder = keras.Model(inputs, features)  # another one
    encoder.trainable = False

    model = keras_reprogram.methods.black_vip(
        source, num_classes=3, target_shape=(8, 8, 1), encoder=encoder
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
        encoder: A frozen `keras.Model` from canvases in `[0, 1]` to features.
            Defaults to `None`, for the source itself, which `exact_gradient`
            allows alone.
        strength: Float. Factor of the prompt. Defaults to `1.0`.
        exact_gradient: Boolean. Whether the source's own gradient is used
            instead of SPSA's. Defaults to `False`.
        learning_rate: Float or schedule of SGD. Defaults to
            `PowerDecay(0.01, 0.4)`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.InputReprogrammer`. They
            replace the settings of this page.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    if learning_rate is None:
        learning_rate = PowerDecay(0.01, exponent=0.4)
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            target_shape,
            **{
                "pattern": CoordinatorPattern(encoder, strength),
                "clip": True,
                **kwargs,
            },
        ),
        LabelMapper(num_classes, "identity"),
    )
    model.compile(
        optimizer
        or keras.optimizers.SGD(learning_rate, momentum=0.9, nesterov=True),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
        gradient_estimator=None if exact_gradient else SPSA(5),
    )
    return model
