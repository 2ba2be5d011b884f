"""Voice2Series: a time series laid into a waveform.

Title: Voice2Series: Reprogramming Acoustic Models for Time Series
    Classification
Authors: Yang, Tsai and Chen
Year: 2021
Link: https://arxiv.org/abs/2106.09296
Samples: series
Input: `ChannelConcatenation(Pad())` or `Tile(copies)`,
    `UniversalPattern("outside", activation=None)` with dropout and an L2
    penalty
Output mapping: `"identity"`, as many source classes a target as there are
Loss: cross-entropy, plus `0.05 * sum(theta^2)`
Optimizer: Adam
Learning rate: 0.05
Epochs: 100 in batches of 32

    x' = pad(x) + M * theta

One copy of the series stands in the middle of the waveform, several at even
distances; channels are laid one after the other. In training a share of the
pattern is zero. A target class is the mean of `floor(S / T)` source classes.

Differences: in the published code copies that do not fit fall onto the start
of the waveform, the pattern also lies under the data, for which pass
`region="everywhere"`, its dropout stays at inference, and the rate decays,
for which pass
`keras.optimizers.schedules.InverseTimeDecay(0.05, 1, 0.48)`.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.configurable import positive_integer
from keras_reprogram.inputs import ChannelConcatenation
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import Region
from keras_reprogram.inputs import Tile
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.sources import inspect_source
from keras_reprogram.typing import Shape


def voice2series(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape,
    copies: int = 1,
    inner_size: int | None = None,
    region: str | Region = "outside",
    dropout: float = 0.4,
    regularization: float = 0.05,
    sources_per_target: int | None = None,
    seed: int | None = None,
    learning_rate: float | LearningRateSchedule = 0.05,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """Voice2Series, Yang et al. 2021.

    Example:

    ```python
    inputs = keras.Input((256,))
    outputs = keras.layers.Dense(6)(inputs)
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.voice2series(
        source, num_classes=2, target_shape=(32,), copies=3
    )
    series = np.random.uniform(-1, 1, size=(16, 32))
    labels = np.arange(16) % 2
    model.fit(series, labels, epochs=2, verbose=0)
    ```

    Args:
        source: `keras.Model`. The pretrained model of waveforms, which is
            frozen.
        num_classes: Integer. Number of target classes.
        target_shape: Tuple of integers. `(steps,)` or `(steps, channels)`.
        copies: Integer. Number of copies of the series. Defaults to `1`.
        inner_size: Integer. Number of steps to which the series, its channels
            one after the other, is resampled first, for one longer than the
            waveform. Defaults to `None`, for its own.
        region: `"outside"` of the data, `"everywhere"`, or another region of
            `UniversalPattern`. Defaults to `"outside"`.
        dropout: Float. Share of the pattern that is zero in a training step.
            Defaults to `0.4`.
        regularization: Float. Factor of the L2 penalty. Defaults to `0.05`.
        sources_per_target: Integer. Source classes of a target class.
            Defaults to `None`, for as many as there are.
        seed: Integer. Seed of the dropout. Defaults to `None`.
        learning_rate: Float or schedule of Adam. Defaults to `0.05`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.InputReprogrammer`. They
            replace the settings of this page. `value_range` defaults to
            `None`: values as they are, which should be near those of a
            waveform, from -1 to 1.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    if sources_per_target is None:
        num_sources = inspect_source(source).num_classes
        num_classes = positive_integer("num_classes", num_classes)
        sources_per_target = max(num_sources // num_classes, 1)
    placement = Pad(inner_size) if copies == 1 else Tile(copies, inner_size)
    pattern = UniversalPattern(
        region,
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
                "placement": ChannelConcatenation(placement),
                "pattern": pattern,
                "value_range": None,
                **kwargs,
            },
        ),
        LabelMapper(
            num_classes, "identity", sources_per_target=sources_per_target
        ),
    )
    model.compile(
        optimizer or keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model
