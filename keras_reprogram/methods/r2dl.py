"""R2DL: target embeddings as sparse combinations of source embeddings.

Title: Reprogramming Language Models for Molecular Representation Learning
Authors: Vinod, Chen and Das
Year: 2020
Link: https://arxiv.org/abs/2012.03460
Samples: tokens
Input: `TokenReprogrammer(SparseCombination(vocabulary_size))`
Output mapping: `"linear"`
Loss: cross-entropy
Optimizer: Adam, ours
Learning rate: 0.001, ours
Epochs: ours

    V_T = Theta V_S + R,    Theta <- argmin ||V_T - Theta V_S||_F,  R <- 0

with at most `nonzeros` numbers other than zero in a row of `Theta`. The loss
trains the numbers and the remainder `R`; the sparse code is solved again after
every epoch, by k-SVD with the dictionary `V_S` fixed.

Differences: the remainder is ours; it lets the loss move an embedding before
it is coded again. The label map starts from a logistic regression.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import SparseCombination
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import Mapping


def r2dl(
    source: keras.Model,
    num_classes: int,
    vocabulary_size: int,
    nonzeros: int = 8,
    refit_every: int | None = 1,
    seed: int = 0,
    mapping: str | Mapping = "linear",
    learning_rate: float | LearningRateSchedule = 0.001,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """R2DL, Vinod et al. 2020.

    Example:

    ```python
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=50,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=32,
    )  # stands for a pretrained model
    model = keras_reprogram.methods.r2dl(
        keras_reprogram.sources.TextSource(backbone),
        num_classes=2,
        vocabulary_size=20,
        nonzeros=4,
    )
    tokens = np.random.randint(1, 20, size=(16, 10))
    labels = np.arange(16) % 2
    model.fit(tokens, labels, epochs=2, verbose=0)
    ```

    Args:
        source: A `keras_reprogram.sources.TextSource`, which is frozen.
        num_classes: Integer. Number of target classes.
        vocabulary_size: Integer. Number of target tokens.
        nonzeros: Integer. Most source tokens of a target token. Defaults to
            `8`.
        refit_every: Integer. Epochs between two sparse codes; `None` for
            never. Defaults to `1`.
        seed: Integer. Seed of the source tokens at the start. Defaults to
            `0`.
        mapping: Any mapping of `keras_reprogram.LabelMapper`. Defaults to
            `"linear"`.
        learning_rate: Float or schedule of Adam. Defaults to `0.001`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.inputs.TokenReprogrammer`.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    combination = SparseCombination(
        vocabulary_size, nonzeros=nonzeros, refit_every=refit_every, seed=seed
    )
    model = ReprogrammedModel(
        source,
        TokenReprogrammer(**{"mapping": combination, **kwargs}),
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
