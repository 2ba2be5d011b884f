"""A source that reads several windows of a sample."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.sources.audio_layers import Float32Layer
from keras_reprogram.sources.audio_layers import mean_and_deviation
from keras_reprogram.sources.features import with_scaling_of
from keras_reprogram.sources.inspection import inspect_source
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


def window_features(source: keras.Model, num_windows: int) -> keras.Model:
    """Returns a source of the statistics of features over windows.

    With `x_1, ..., x_W` the windows of a sample, and `f` the source,

    ```
    mean = 1 / W * sum_i f(x_i)
    deviation = sqrt(1 / W * sum_i (f(x_i) - mean)^2)
    features = [mean, deviation]
    ```

    The windows of a series, each of them drawn as a picture by
    `keras_reprogram.inputs.SlidingWindows`, show its details at their own
    scale, and the statistics do not depend on where a detail is. The source
    computes `W` inputs for each sample, and needs as much more time and memory.

    Example:

    ```python
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)  # stands for a pretrained model

    model = keras_reprogram.ReprogrammedModel(
        keras_reprogram.sources.window_features(source, num_windows=4),
        keras_reprogram.InputReprogrammer(
            target_shape=(100,),
            placement=keras_reprogram.inputs.SlidingWindows(40),
            pattern=None,
            value_range=None,
        ),
        keras_reprogram.LabelMapper(num_classes=2),
    )
    model.source.output_shape  # (None, 12)
    ```

    Args:
        source: `keras.Model`. A source of one input of known shape and an
            output `(batch, features)`, such as
            `keras_reprogram.sources.stage_features`.
        num_windows: Integer. Number of windows of a sample, at least 2.

    Returns:
        A `keras.Model` with the source's weights, for inputs of shape
        `(num_windows, *source_shape)`. Each block of the source's features is
        a block of means and one of deviations. It has the preprocessor of the
        source, which defines the scaling.

    Raises:
        ValueError: If the shape of the source's input is not known, its output
            has positions, or there are fewer than two windows.
    """
    num_windows = positive_integer("num_windows", num_windows)
    specification = inspect_source(source)
    shape = specification.preferred_shape
    if num_windows < 2:
        raise ValueError(
            "`num_windows` must be at least 2: a single input is what the "
            f"source itself takes. Received: num_windows={num_windows}"
        )
    if not shape or None in shape or not specification.takes_canvas:
        raise ValueError(
            "`source` must take one array of a known shape: for an image "
            "classifier, pass `stage_features(classifier, image_shape)`. "
            f"Received: a source that takes {specification.accepted_shape}"
        )
    if specification.num_position_axes:
        raise ValueError(
            "`source` must return one vector for each input: average over its "
            "positions first. Received: a source with output shape "
            f"{source.output_shape}"
        )
    windows = keras.Input((num_windows, *shape))
    outputs = source(ops.reshape(windows, (-1, *shape)))
    means, deviations = WindowStatistics(num_windows)(outputs)
    stops = np.cumsum(specification.block_sizes).tolist()
    blocks = [
        values[:, start:stop]
        for values in (means, deviations)
        for start, stop in zip([0, *stops], stops)
    ]
    model = keras.Model(
        windows,
        ops.concatenate(blocks, axis=-1),
        name=f"windows_of_{source.name}",
    )
    return with_scaling_of(source, model)


@serializable
class WindowStatistics(Float32Layer):
    """Mean and standard deviation over the windows of each sample.

    Args:
        num_windows: Integer.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch * num_windows, features)`.

    Returns:
        A list of two float32 tensors `(batch, features)`.
    """

    def __init__(self, num_windows: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_windows = positive_integer("num_windows", num_windows)

    def compute_output_shape(self, input_shape: Shape) -> list[Shape]:
        batch, features = input_shape
        rows = None if batch is None else batch // self.num_windows
        return [(rows, features)] * 2

    def call(self, inputs: Tensor) -> list[Tensor]:
        shape = (-1, self.num_windows, inputs.shape[-1])
        return list(mean_and_deviation(ops.reshape(inputs, shape)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_windows": self.num_windows}
