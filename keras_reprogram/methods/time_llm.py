"""Time-LLM: patches of a time series for a language model, and a forecast.

Title: Time-LLM: Time Series Forecasting by Reprogramming Large Language Models
Authors: Jin, Wang, Ma, Chu, Zhang, Shi, Chen, Liang, Li, Pan and Wen
Year: 2024
Link: https://arxiv.org/abs/2310.01728
Samples: series, with what comes next for a label
Input: `SeriesReprogrammer()`
Output mapping: `ForecastHead(horizon)`
Loss: mean squared error
Optimizer: Adam
Learning rate: 0.01, in one cycle
Epochs: 100 in batches of 24

    x' = [prompt, statistics of x, attention(patches of x, prototypes)]
    forecast = mean(x) + deviation(x) * (flatten(outputs) @ W + b)

Every channel is a series of its own. Its patches, 16 steps long and 8 apart,
attend to 1000 prototypes, which are linear maps of the source's word
embeddings. The outputs are those at the patches. The rate is that of most
published scripts; others have 0.001 and 0.002.

Differences: the statistics are numbers, embedded by a trained layer, where the
paper writes them as text. The head divides by the root of its number of inputs,
and targets by their deviation, so that a rate does not depend on either. The
rate is constant here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import SeriesReprogrammer
from keras_reprogram.losses import PinballLoss
from keras_reprogram.metrics import IntervalCoverage
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import ForecastHead
from keras_reprogram.sources import TextSource


def time_llm(
    source: TextSource,
    horizon: int,
    target_shape: tuple[int, int],
    learning_rate: float | LearningRateSchedule = 0.01,
    optimizer: keras.optimizers.Optimizer | None = None,
    channels: Sequence[int] | None = None,
    quantiles: Sequence[float] | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """Time-LLM, Jin et al. 2024.

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
    model = keras_reprogram.methods.time_llm(
        keras_reprogram.sources.TextSource(backbone, "sequence"),
        horizon=24,
        target_shape=(96, 7),
        prototypes=10,
    )
    past, future = np.random.rand(8, 96, 7), np.random.rand(8, 24, 7)
    model.fit(past, future, epochs=2, verbose=0)
    ```

    Args:
        source: A `keras_reprogram.sources.TextSource`, which is frozen.
            Its `pooling` is `"sequence"`.
        horizon: Integer. Number of steps to forecast.
        target_shape: Shape of a sample, `(length, channels)`.
        learning_rate: Float or schedule of Adam. Defaults to `0.01`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        channels: List of integers. As for `ForecastHead`: the channels to
            forecast, with the others as covariates. Defaults to `None`, for
            all of them, as in the paper.
        quantiles: List of floats. As for `ForecastHead`: quantiles to forecast,
            by the pinball loss. Defaults to `None`, for one forecast by the
            squared error, as in the paper.
        **kwargs: Arguments of `keras_reprogram.inputs.SeriesReprogrammer`.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    model = ReprogrammedModel(
        source,
        SeriesReprogrammer(target_shape, **kwargs),
        ForecastHead(horizon, channels, quantiles),
    )
    optimizer = optimizer or keras.optimizers.Adam(learning_rate)
    if quantiles is None:
        loss = keras.losses.MeanSquaredError()
        model.compile(optimizer, loss, metrics=["mae"])
    else:
        loss = PinballLoss(quantiles)
        model.compile(optimizer, loss, metrics=[IntervalCoverage()])
    return model
