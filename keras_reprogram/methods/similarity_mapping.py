"""Similarity mapping: spoken commands of another language, a map of centroids.

Title: Neural Model Reprogramming with Similarity Based Mapping for
    Low-Resource Spoken Command Recognition
Authors: Yen, Ku, Yang, Hu, Siniscalchi, Chen and Tsao
Year: 2021
Link: https://arxiv.org/abs/2110.03894
Samples: waveforms
Input: `Pad()`, `UniversalPattern("everywhere", activation=None)` with dropout
    and an L2 penalty
Output mapping: `SimilarityMapping`, two source classes a target
Loss: cross-entropy, plus `0.05 * sum(theta^2)`
Optimizer: Adam
Learning rate: 0.001
Epochs: 50 in batches of 32

    x' = pad(x) + theta
    similarity[s, t] = cosine(source_centroids[s], centroid[t])

A target class takes the two or three source classes of the most similar
centroids. In training half of the pattern is zero. These are the settings of
the published code for Arabic commands; for Lithuanian and for dysarthric
speech it has rates of 0.01 and 0.008 that decay.

Differences: the published code trains all of the source together with the
pattern; here only what `trainable_source_layers` names. Centroids are of the
source's probabilities, its outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import SimilarityMapping
from keras_reprogram.typing import Shape


def similarity_mapping(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape,
    source_centroids: np.ndarray | None = None,
    sources_per_target: int = 2,
    trainable_source_layers: int | Sequence[str] = (),
    dropout: float = 0.5,
    regularization: float = 0.05,
    seed: int | None = None,
    learning_rate: float | LearningRateSchedule = 0.001,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """Similarity mapping, Yen et al. 2021.

    Example:

    ```python
    inputs = keras.Input((256,))
    outputs = keras.layers.Dense(6)(inputs)
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.similarity_mapping(
        source, num_classes=2, target_shape=(200,)
    )
    waveforms = np.random.uniform(-1, 1, size=(16, 200))
    labels = np.arange(16) % 2
    model.fit(waveforms, labels, epochs=2, verbose=0)
    ```

    Args:
        source: `keras.Model`. The pretrained model of waveforms, which is
            frozen but for `trainable_source_layers`.
        num_classes: Integer. Number of target classes.
        target_shape: Tuple of one integer, the number of steps.
        source_centroids: Array `[S, S]` of the source classes' centroids, as
            for `keras_reprogram.outputs.SimilarityMapping`. Defaults to
            `None`, for each class being certain of itself.
        sources_per_target: Integer. Source classes of a target class.
            Defaults to `2`.
        trainable_source_layers: Names of the source's layers that are trained
            as well, or the number of its last ones. They are no part of a
            program file. Defaults to `()`.
        dropout: Float. Share of the pattern that is zero in a training step.
            Defaults to `0.5`.
        regularization: Float. Factor of the L2 penalty. Defaults to `0.05`.
        seed: Integer. Seed of the dropout. Defaults to `None`.
        learning_rate: Float or schedule of Adam. Defaults to `0.001`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.InputReprogrammer`. They
            replace the settings of this page. `value_range` defaults to
            `None`: values as they are, from -1 to 1.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    pattern = UniversalPattern(
        "everywhere",
        activation=None,
        initializer="glorot_uniform",
        regularizer=keras.regularizers.L2(regularization),
        dropout=dropout,
        seed=seed,
    )
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            target_shape,
            **{
                "placement": "pad",
                "pattern": pattern,
                "value_range": None,
                **kwargs,
            },
        ),
        LabelMapper(
            num_classes,
            SimilarityMapping(source_centroids),
            sources_per_target=sources_per_target,
        ),
        trainable_source_layers=trainable_source_layers,
    )
    model.compile(
        optimizer or keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model
