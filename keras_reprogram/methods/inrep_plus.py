"""InRep+: an unconditional generator is given classes.

Title: Improved Input Reprogramming for GAN Conditioning
Authors: Dinh, Seo, Du, Shang and Lee
Year: 2022
Link: https://arxiv.org/abs/2201.02692
Samples: a class, and noise
Input: `ConditionalNoise`, invertible residual blocks and conditional batch normalization
Output mapping: none, `SourceNumbers`
Loss: hinge losses of a projection discriminator, generated samples unlabeled
Optimizer: Adam, for both
Learning rate: 0.0002 (ours)
Epochs: 500 steps (ours)

    z = M(u, y),    x = G(z)

The source `G` is a generator that was trained without labels. Only `M` and a
discriminator are trained, on few labeled samples; `M` alone is kept. The
reprogramming of a generator is from Lee, Seo, Dinh and others (2020), whose
`M` was not invertible.

Differences: one step trains both, by one optimizer of one rate, where the
paper alternates two of their own. Kernels keep their spectral norm by a
constraint of 0.9 after each step, where the paper divides by the norm in each
call; the discriminator's vectors of classes have none. The generated half of a
batch has the labels of its real half, and `pi` counts all steps, where the
paper's code leaves out the first 30.
"""  # noqa: E501

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.generators import ConditionalGenerator
from keras_reprogram.generators import ProjectionDiscriminator
from keras_reprogram.generators import image_features
from keras_reprogram.inputs import ConditionalNoise
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import SourceNumbers


def inrep_plus(
    source: keras.Model,
    num_classes: int,
    features: keras.Model | None = None,
    learning_rate: float | LearningRateSchedule | None = None,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ConditionalGenerator:
    """InRep+, Dinh et al. 2022.

    Example:

    ```python
    noise = keras.Input((16,))
    images = keras.layers.Reshape((4, 4, 1))(keras.layers.Dense(16)(noise))
    source = keras.Model(noise, images)  # stands for a trained generator

    model = keras_reprogram.methods.inrep_plus(source, num_classes=3)
    x, y = np.random.randn(32, 4, 4, 1), np.arange(32) % 3
    model.fit(x, y, epochs=2, verbose=0)
    model.generate([0, 0, 2]).shape  # (3, 4, 4, 1)
    ```

    Args:
        source: `keras.Model` from noise `(batch, noise_dim)` to samples, which
            is frozen.
        num_classes: Integer. The number of target classes.
        features: `keras.Model` from samples to features `(batch, F)`, on which
            the discriminator is trained with them. Defaults to `None`, for
            `keras_reprogram.generators.image_features` of the source's images.
        learning_rate: Float or schedule. Defaults to `None`, for `0.0002`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.inputs.ConditionalNoise`.

    Returns:
        A compiled `ConditionalGenerator`. `model.generator` is the
        `ReprogrammedModel`. With `model.positive_unlabeled = False`, set
        before training, generated samples are negative ones, which was better
        on digits (`examples/generators.py`).
    """
    noise = ConditionalNoise(num_classes, **kwargs)
    generator = ReprogrammedModel(source, noise, SourceNumbers(), compile=False)
    if features is None:
        features = image_features(tuple(generator.output_shape[1:]))
    model = ConditionalGenerator(
        generator,
        ProjectionDiscriminator(features, num_classes),
        noise.noise_dim,
        seed=noise.seed,
    )
    model.compile(
        optimizer
        or keras.optimizers.Adam(
            2e-4 if learning_rate is None else learning_rate,
            beta_1=0.0,
            beta_2=0.9,
        )
    )
    return model
