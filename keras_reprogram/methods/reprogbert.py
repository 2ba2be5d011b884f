"""ReprogBERT: tokens of proteins infilled by an English language model.

Title: Reprogramming Pretrained Language Models for Antibody Sequence Infilling
Authors: Melnyk, Chenthamarakshan, Chen, Das, Dhurandhar, Padhi and Das
Year: 2023
Link: https://arxiv.org/abs/2210.07144
Samples: tokens, with a label at every step
Input: `TokenReprogrammer(DenseCombination(vocabulary_size))`
Output mapping: `"linear"`, at every step
Loss: cross-entropy over the steps that have a label
Optimizer: Adam
Learning rate: 0.00001
Epochs: ours, in batches of 32

    V_T = Theta V_S,    target logits = source logits @ Gamma + b

The source is a masked language model, `TextSource(model, "logits")`. A step
whose token is to be filled in has a mask token of the target's vocabulary, and
a label; the others have the label -1.

Differences: `Theta` reaches 1000 source tokens that are drawn, where the
paper's reaches all: pass `candidates=range(source_vocabulary_size)`. A target
token starts as one source token, and the label map from a logistic regression.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import DenseCombination
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import Mapping


def reprogbert(
    source: keras.Model,
    num_classes: int,
    vocabulary_size: int,
    candidates: int | Sequence[int] = 1000,
    seed: int = 0,
    mapping: str | Mapping = "linear",
    learning_rate: float | LearningRateSchedule = 1e-5,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """ReprogBERT, Melnyk et al. 2023.

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
    model = keras_reprogram.methods.reprogbert(
        keras_reprogram.sources.TextSource(backbone, "sequence"),
        num_classes=20,
        vocabulary_size=21,
        candidates=30,
    )
    tokens = np.random.randint(0, 20, size=(16, 10))
    labels = np.where(np.arange(10) < 3, tokens, -1)
    tokens[:, :3] = 20  # to be filled in
    model.fit(tokens, labels, epochs=2, verbose=0)
    ```

    Args:
        source: A `keras_reprogram.sources.TextSource`, which is frozen.
            The paper's is a masked language model, `pooling="logits"`.
        num_classes: Integer. Number of target tokens that a step may be.
        vocabulary_size: Integer. Number of target tokens, a mask token and
            the like among them.
        candidates: List of source tokens that may be used, or how many are
            drawn. Defaults to `1000`.
        seed: Integer. Seed of the candidates and of the start. Defaults to
            `0`.
        mapping: Any mapping of `keras_reprogram.LabelMapper`. Defaults to
            `"linear"`.
        learning_rate: Float or schedule of Adam. Defaults to `1e-5`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.inputs.TokenReprogrammer`.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    combination = DenseCombination(
        vocabulary_size, candidates=candidates, seed=seed
    )
    model = ReprogrammedModel(
        source,
        TokenReprogrammer(
            **{"mapping": combination, "padding_token": None, **kwargs}
        ),
        LabelMapper(num_classes, mapping),
    )
    model.compile(
        optimizer or keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits, ignore_class=-1
        ),
        metrics=["accuracy"],
    )
    return model
