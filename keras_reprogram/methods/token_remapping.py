"""Token remapping: every target token, by its context, is one source token.

Title: Adversarial Reprogramming of Text Classification Neural Networks
Authors: Neekhara, Hussain, Dubnov and Koushanfar
Year: 2019
Link: https://arxiv.org/abs/1809.01829
Samples: tokens
Input: `TokenReprogrammer(TokenRemapping(vocabulary_size, context=5))`
Output mapping: `"identity"`, `"linear"` on features
Loss: cross-entropy
Optimizer: Adam
Learning rate: 0.0005
Epochs: 500 in batches of 8

    source token at i = argmax_s  sum_j  theta[j, token(i + j), s]

with `j` over five tokens about `i`. In training the argmax is a Gumbel-softmax,
or, with a source that is only queried, a draw from the softmax, whose gradient
is that of REINFORCE:

    (loss - baseline) * d log softmax(draw) / d theta

For a function of token IDs, wrap it as `black_box.QueriedTextSource`, and pass
`learning_rate=0.5` (ours); any source can be queried that way by
`gradient_estimator=Reinforce()`.

Differences: the softmax has one temperature, where the published code's falls
from 2 to 0.01 within 15 epochs, and its sample is a source token, with the
gradient of the softmax. Source tokens are chosen from 1000 that are drawn. In
REINFORCE, the paper's reward of +1 or -1 for the wanted class is the negative
loss, and the baseline is the mean loss of the other draws of the sample (ours).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.black_box import GradientEstimator
from keras_reprogram.inputs import TokenRemapping
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import Mapping


def token_remapping(
    source: keras.Model,
    num_classes: int,
    vocabulary_size: int,
    context: int = 5,
    candidates: int | Sequence[int] = 1000,
    temperature: float = 1.0,
    seed: int = 0,
    mapping: str | Mapping = "identity",
    learning_rate: float | LearningRateSchedule = 0.0005,
    optimizer: keras.optimizers.Optimizer | None = None,
    gradient_estimator: GradientEstimator | str | None = "auto",
    **kwargs: Any,
) -> ReprogrammedModel:
    """Token remapping, Neekhara et al. 2019.

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
    model = keras_reprogram.methods.token_remapping(
        keras_reprogram.sources.TextSource(backbone),
        num_classes=2,
        vocabulary_size=20,
        candidates=30,
        mapping="linear",
    )
    tokens = np.random.randint(1, 20, size=(16, 10))
    labels = np.arange(16) % 2
    model.fit(tokens, labels, epochs=2, verbose=0)
    ```

    Args:
        source: A `keras_reprogram.sources.TextSource`, which is frozen, or a
            `keras_reprogram.black_box.QueriedTextSource`. The paper's are text
            classifiers, `pooling="logits"`.
        num_classes: Integer. Number of target classes.
        vocabulary_size: Integer. Number of target tokens.
        context: Odd integer. Number of neighboring tokens that decide.
            Defaults to `5`.
        candidates: List of source tokens that may be used, or how many are
            drawn. Defaults to `1000`.
        temperature: Float. Temperature of the softmax. Defaults to `1.0`.
        seed: Integer. Seed of the candidates, the start and the noise.
            Defaults to `0`.
        mapping: Any mapping of `keras_reprogram.LabelMapper`: `"linear"` for
            a source that returns features. Defaults to `"identity"`.
        learning_rate: Float or schedule of Adam. Defaults to `0.0005`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        gradient_estimator: As for `ReprogrammedModel.compile`. Defaults to
            `"auto"`, `Reinforce()` for a source that is only queried.
        **kwargs: Arguments of `keras_reprogram.inputs.TokenReprogrammer`.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    remapping = TokenRemapping(
        vocabulary_size,
        candidates=candidates,
        context=context,
        temperature=temperature,
        seed=seed,
    )
    model = ReprogrammedModel(
        source,
        TokenReprogrammer(**{"mapping": remapping, **kwargs}),
        LabelMapper(num_classes, mapping),
    )
    model.compile(
        optimizer or keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
        gradient_estimator=gradient_estimator,
    )
    return model
