"""AdaPTS: a multivariate series for a forecaster of single series.

Title: AdaPTS: Adapting Univariate Foundation Models to Probabilistic
    Multivariate Time Series Forecasting
Authors: Benechehab, Feofanov, Paolo, Thomas, Filippone and Kégl
Year: 2025
Link: https://arxiv.org/abs/2502.10235
Samples: series, with what comes next for a label
Input: `ChannelAdapter`, a linear map of channels with dropout
Output mapping: `ChannelDecoder`
Loss: mean squared error
Optimizer: Adam
Learning rate: 0.001
Epochs: up to 300 in batches of 32, until 10 have not improved on validation

    z_t = dropout(x_t @ E + e)
    forecast_h = source(z)_h @ D + d

A linear map takes the channels of each step to components. The source forecasts
each of them on its own, and another linear map takes the forecasts back to
channels. For a forecast and its band, 25 predictions are drawn with dropout:
`keras_reprogram.models.predict_draws`.

Differences: with as many components as channels the maps start from the
identity, so that training starts from the source, channel by channel; the
paper's start at random. Series are standardized by their own past, where the
paper's code scales a data set, and optionally normalizes each series too. The
paper has autoencoders that are variational or not linear as well, and a rate
that falls by a quarter when validation stalls for 5 epochs, for which pass
`keras.callbacks.ReduceLROnPlateau` to `fit`.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import ChannelAdapter
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import ChannelDecoder


def adapts(
    source: keras.Model,
    target_shape: tuple[int, int],
    num_components: int | None = None,
    dropout: float = 0.1,
    seed: int = 0,
    learning_rate: float | LearningRateSchedule = 0.001,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """AdaPTS, Benechehab et al. 2025.

    Example:

    ```python
    series = keras.Input((96,))
    forecast = keras.layers.Dense(24)(series)
    source = keras.Model(series, forecast)  # stands for a pretrained model

    model = keras_reprogram.methods.adapts(source, target_shape=(96, 7))
    past, future = np.random.rand(8, 96, 7), np.random.rand(8, 24, 7)
    model.fit(past, future, epochs=2, verbose=0)
    draws = keras_reprogram.models.predict_draws(model, past)
    ```

    Args:
        source: `keras.Model`. The pretrained forecaster, from series `(batch,
            length)` to forecasts `(batch, horizon)`, which is frozen.
        target_shape: Shape of a sample, `(length, channels)`.
        num_components: Integer. Number of series that the source forecasts
            for a sample. Defaults to `None`, for the number of channels.
        dropout: Float. Share of the components' values that are zero in
            training. 0 stands for the paper's linear autoencoder. Defaults to
            `0.1`.
        seed: Integer. Seed of both maps and the dropout. Defaults to `0`.
        learning_rate: Float or schedule of Adam. Defaults to `0.001`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.inputs.ChannelAdapter`.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    model = ReprogrammedModel(
        source,
        ChannelAdapter(target_shape, num_components, dropout, seed, **kwargs),
        ChannelDecoder(seed),
    )
    model.compile(
        optimizer or keras.optimizers.Adam(learning_rate),
        keras.losses.MeanSquaredError(),
        metrics=["mae"],
    )
    return model
