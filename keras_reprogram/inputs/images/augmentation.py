"""Data augmentation for samples of any rank."""

from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import number
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.images.axes import DATA_FORMATS
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.program_parts import ProgramPart
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class RandomShift(ProgramPart, keras.layers.Layer):
    """Shifts every sample by a random number of steps in training.

    Along each spatial axis of length `n`, with `s` drawn uniformly from
    `-fraction * n` to `fraction * n` and rounded, for each sample:

    ```
    shifted[i] = sample[clip(i + s, 0, n - 1)]
    ```

    Values beyond the edge repeat it. Unlike `keras.layers.RandomTranslation`,
    the layer accepts any number of axes and is compiled with the step.

    Example:

    ```python
    reprogrammer = keras_reprogram.InputReprogrammer(
        target_shape=(28, 28, 1),
        source_shape=(96, 96, 3),
        augmentation=keras_reprogram.inputs.RandomShift(0.1),
    )
    ```

    Args:
        fraction: Float from 0 to 1. The largest shift as a fraction of the
            sample's length. Defaults to `0.07`.
        data_format: String, as for `InputReprogrammer`. Defaults to
            `keras.config.image_data_format()`.
        seed: Integer. Seed of the shifts. Defaults to a random one.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Samples of shape `(batch, ...)`, of any dtype.
        training: Boolean. Whether to shift samples. Defaults to `None`.

    Returns:
        A tensor of the same shape and dtype.
    """

    program_strings = {"data_format": DATA_FORMATS}

    def __init__(
        self,
        fraction: float = 0.07,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # Without autocast, samples keep their dtype and integers stay exact.
        super().__init__(**{"autocast": False, **kwargs})
        self.fraction = number("fraction", fraction, 0.0, 1.0)
        self.data_format = data_format or keras.config.image_data_format()
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training:
            return inputs
        axes = Axes(len(inputs.shape) - 1, self.data_format)
        for axis in axes.spatial:
            inputs = self.shift(inputs, axis + 1)
        return inputs

    def shift(self, samples: Tensor, axis: int) -> Tensor:
        batch, length = ops.shape(samples)[0], ops.shape(samples)[axis]
        longest = ops.cast(length, "float32") * self.fraction
        steps = keras.random.uniform((batch, 1), -1.0, 1.0, seed=self.generator)
        steps = ops.cast(ops.round(steps * longest), "int32")
        indices = ops.clip(ops.arange(length) + steps, 0, length - 1)
        shape = [1] * len(samples.shape)
        shape[0], shape[axis] = batch, length
        indices = ops.reshape(indices, shape)
        return ops.take_along_axis(samples, indices, axis=axis)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "fraction": self.fraction,
            "data_format": self.data_format,
            "seed": self.seed,
        }
