"""WARP: trained prompt tokens, and class embeddings at a masked position.

Title: WARP: Word-level Adversarial ReProgramming
Authors: Hambardzumyan, Khachatrian and May
Year: 2021
Link: https://arxiv.org/abs/2101.00121
Samples: sentences in the source's own tokens
Input: `TokenReprogrammer(SourceTokens(), layout=[SoftPrompt(8), "sample",
    MaskToken(m)])`
Output mapping: `verbalizers(source, words)`
Loss: cross-entropy
Optimizer: Adam, gradients of a norm of at most 1
Learning rate: 0.001, after a warm-up of 6 % of the steps down to 0
Epochs: 30 in batches of 8

    P(y | x) ~ exp(hidden at the mask . v_y)

The prompts' embeddings and the class embeddings `v` are trained; a class
starts as the mean of its words. These are the settings of the published code
for RTE and RoBERTa-large, which has eight tokens or more around the sample.

Differences: the rate is constant here. Prompts start from one place before
the sample: pass a `layout` for others, and for the source's start and end
tokens where samples do not hold them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import MaskToken
from keras_reprogram.inputs import SoftPrompt
from keras_reprogram.inputs import SourceTokens
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import verbalizers
from keras_reprogram.sources import TextSource


def warp(
    source: TextSource,
    words: Sequence[Sequence[int]],
    mask_token: int,
    prompt_length: int = 8,
    learning_rate: float | LearningRateSchedule = 0.001,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """WARP, Hambardzumyan et al. 2021.

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
    good, great, bad, awful, mask = 20, 21, 30, 31, 4  # numbers of its tokens
    model = keras_reprogram.methods.warp(
        keras_reprogram.sources.TextSource(backbone, "sequence"),
        words=[[bad, awful], [good, great]],
        mask_token=mask,
    )
    tokens = np.random.randint(5, 50, size=(16, 10))
    labels = np.arange(16) % 2
    model.fit(tokens, labels, epochs=2, verbose=0)
    ```

    Args:
        source: A `keras_reprogram.sources.TextSource`, which is frozen.
            Its `pooling` is `"sequence"`, or `"logits"` of the vocabulary.
        words: For each target class, the list of source tokens that it
            starts from.
        mask_token: Integer. The source's mask token.
        prompt_length: Integer. Number of trained tokens. Defaults to `8`.
        learning_rate: Float or schedule of Adam. Defaults to `0.001`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.inputs.TokenReprogrammer`,
            such as a `layout`. They replace the settings of this page.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    layout = [SoftPrompt(prompt_length), "sample", MaskToken(mask_token)]
    model = ReprogrammedModel(
        source,
        TokenReprogrammer(
            **{"mapping": SourceTokens(), "layout": layout, **kwargs}
        ),
        LabelMapper(len(words), verbalizers(source, words)),
    )
    model.compile(
        optimizer or keras.optimizers.Adam(learning_rate, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model
