"""ReMAP: a regressor of another population, whose inputs are corrected.

Title: Enhancing Joint Motion Prediction for Individuals with Limb Loss Through
    Model Reprogramming
Authors: Dey and Nair
Year: 2024
Link: https://arxiv.org/abs/2403.06569
Samples: series of another population than the source's
Input: `SeriesCorrection`, a small network whose output is added
Output mapping: `SourceNumbers`, the source's own predictions
Loss: squared error of the inputs, and then of the targets in addition
Optimizer: Adam
Learning rate: 0.001 (ours)
Epochs: 50 on inputs and 50 on targets (ours)

    x' = x + network(x),    prediction = source(x')
    loss = (prediction - y)^2 + weight * (x' - corrected)^2

The source predicts a number from series of one population; there are few
labeled samples of another. For each, an input is found for which the source
gives the right answer: the sample of the source's own with the nearest target,
`keras_reprogram.models.nearest_source_inputs`, or an inversion of the source by
gradients, `keras_reprogram.models.inverted_inputs`. The network first learns
these inputs, and then the targets as well:
`keras_reprogram.models.fit_correction`. `fit` trains on targets alone.

Differences: the paper predicts motions of the joints of amputees by a network
of able-bodied people, whose data are not published. Its network maps a sample
to an input, where the one here adds to it, so that it starts from the source
as it is; it is a dense one, where this has two convolutions. The settings are
ours. The name is that of a later version of the paper.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import SeriesCorrection
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import SourceNumbers


def remap(
    source: keras.Model,
    target_shape: tuple[int, int],
    learning_rate: float | LearningRateSchedule = 0.001,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """ReMAP, Dey et al. 2024.

    Example:

    ```python
    inputs = keras.Input((80, 3))
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a trained regressor
    source_x, source_y = np.random.rand(50, 80, 3), np.random.rand(50, 1)

    model = keras_reprogram.methods.remap(source, target_shape=(80, 3))
    x, y = np.random.rand(8, 80, 3), np.random.rand(8, 1)
    corrected = keras_reprogram.models.nearest_source_inputs(
        y, source_x, source_y
    )
    keras_reprogram.models.fit_correction(model, x, y, corrected, epochs=2)
    ```

    Args:
        source: `keras.Model`. The trained regressor, which is frozen.
        target_shape: Shape of a sample and of the source's inputs,
            `(length, channels)`.
        learning_rate: Float or schedule of Adam. Defaults to `0.001`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.inputs.SeriesCorrection`.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    model = ReprogrammedModel(
        source, SeriesCorrection(target_shape, **kwargs), SourceNumbers()
    )
    model.compile(
        optimizer or keras.optimizers.Adam(learning_rate),
        keras.losses.MeanSquaredError(),
        metrics=["mae"],
    )
    return model
