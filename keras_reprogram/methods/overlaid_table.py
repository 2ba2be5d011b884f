"""Overlaid tables: the features of a row as tiles on a trained image.

Title: Adversarial Reprogramming of Pretrained Neural Networks for Fraud
    Detection
Authors: Chen, Fan and Ye
Year: 2021
Samples: rows of a table, images
Input: `FeatureMosaic()` or `Pad()`, `UniversalPattern("everywhere")`
Output mapping: `"identity"`
Loss: cross-entropy
Optimizer: Adam, ours
Learning rate: 0.01, ours
Epochs: ours

    x' = place(x) + tanh(theta)

The pattern reaches under the sample, where the border of other methods stops.
A row of numbers becomes a mosaic, one tile a feature; an image is laid on the
canvas as it is.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from keras_reprogram.inputs import FeatureMosaic
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs.images.canvas_settings import check_shape
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.typing import Shape


def overlaid_table(
    source: keras.Model,
    num_classes: int,
    target_shape: Shape,
    inner_size: int | tuple[int, int] | None = None,
    learning_rate: float | LearningRateSchedule = 0.01,
    optimizer: keras.optimizers.Optimizer | None = None,
    **kwargs: Any,
) -> ReprogrammedModel:
    """Overlaid tables, Chen, Fan and Ye 2021.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(12)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.methods.overlaid_table(
        source, num_classes=3, target_shape=(30,), value_range=(-3, 3)
    )
    rows = np.random.uniform(-3, 3, size=(16, 30))
    labels = np.arange(16) % 3
    model.fit(rows, labels, epochs=2, verbose=0)
    ```

    Args:
        source: `keras.Model`. The pretrained model, which is frozen.
        num_classes: Integer. Number of target classes.
        target_shape: Tuple of integers. `(features,)` for rows of a table,
            or the shape of an image without the batch axis.
        inner_size: Integer or pair of integers. Height and width of the
            mosaic or the resized image in pixels. Defaults to `None`, for the
            whole canvas or the image's own size.
        learning_rate: Float or schedule of Adam. Defaults to `0.01`.
        optimizer: A Keras optimizer, which has its own learning rate, to be
            used instead. Defaults to `None`.
        **kwargs: Arguments of `keras_reprogram.InputReprogrammer`, a
            `value_range` that fits the features among them. They replace the
            settings of this page.

    Returns:
        A compiled `ReprogrammedModel`.
    """
    shape = check_shape("target_shape", target_shape) or ()
    placement = FeatureMosaic if len(shape) == 1 else Pad
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            target_shape,
            **{
                "placement": placement(inner_size),
                "pattern": "everywhere",
                **kwargs,
            },
        ),
        LabelMapper(num_classes, "identity"),
    )
    model.compile(
        optimizer or keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=model.label_mapper.returns_logits
        ),
        metrics=["accuracy"],
    )
    return model
