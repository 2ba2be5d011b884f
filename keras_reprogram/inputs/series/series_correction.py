"""The layer that corrects series by a small network."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import length_and_channels
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class SeriesCorrection(InputTransformation):
    """Adds the output of a small convolutional network to a series.

    ```
    x' = x + W2 * relu(W1 * x + b1) + b2
    ```

    with convolutions `*` along time. Samples have the shape of the source's
    inputs, and come from another population than those that it was trained on.
    The correction starts from zero: the model starts as its source.

    Example:

    ```python
    inputs = keras.Input((80, 3))
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(inputs))
    model = keras_reprogram.ReprogrammedModel(
        keras.Model(inputs, outputs),  # stands for a trained regressor
        keras_reprogram.inputs.SeriesCorrection((80, 3)),
        keras_reprogram.outputs.SourceNumbers(),
    )
    model.predict(np.random.rand(2, 80, 3), verbose=0).shape  # (2, 1)
    ```

    Args:
        target_shape: Tuple of two integers. Shape of a sample and of an input
            of the source, `(length, channels)`.
        hidden_channels: Integer. Number of channels between the convolutions.
            Defaults to `16`.
        kernel_size: Integer. Number of steps of a convolution. Defaults to `9`.
        seed: Integer. Seed of the first convolution. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor `(batch, length, channels)`.

    Returns:
        A tensor of the same shape.

    Raises:
        ValueError: If the source takes inputs of another shape.
    """

    def __init__(
        self,
        target_shape: tuple[int, int],
        hidden_channels: int = 16,
        kernel_size: int = 9,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.target_shape = length_and_channels("target_shape", target_shape)
        self.hidden_channels = positive_integer(
            "hidden_channels", hidden_channels
        )
        self.kernel_size = positive_integer("kernel_size", kernel_size)
        self.seed = check_seed(seed)
        self.hidden = keras.layers.Conv1D(
            self.hidden_channels,
            self.kernel_size,
            padding="same",
            activation="relu",
            kernel_initializer=keras.initializers.GlorotUniform(self.seed),
            dtype=self.dtype_policy,
        )
        self.correction = keras.layers.Conv1D(
            self.target_shape[1],
            self.kernel_size,
            padding="same",
            kernel_initializer="zeros",
            dtype=self.dtype_policy,
        )

    @property
    def sample_shape(self) -> Shape:
        return self.target_shape

    @property
    def expected_inputs(self) -> Shape | None:
        return self.target_shape

    def resolve(
        self,
        specification: SourceSpecification,
        source: Callable[[Tensor], Tensor],
    ) -> None:
        self.check_source(specification)
        if not self.built:
            self.build((None, *self.target_shape))

    def check_source(self, specification: SourceSpecification) -> None:
        """Raises a `ValueError` unless the source takes such samples."""
        accepted = specification.accepted_shape
        if len(accepted) != 2 or any(
            None not in pair and pair[0] != pair[1]
            for pair in zip(accepted, self.target_shape)
        ):
            raise ValueError(
                "A `SeriesCorrection` keeps the shape of samples, so the "
                "source must take them as they are. Received: a source that "
                f"takes {accepted}, target_shape={self.target_shape}"
            )

    def build(self, input_shape: Shape) -> None:
        length = self.target_shape[0]
        self.hidden.build((None, *self.target_shape))
        self.correction.build((None, length, self.hidden_channels))
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return ops.add(inputs, self.correction(self.hidden(inputs)))

    def compute_output_spec(self, inputs: keras.KerasTensor) -> Any:
        return keras.KerasTensor(inputs.shape, self.compute_dtype)

    def expected_variables(
        self, specification: SourceSpecification
    ) -> list[ExpectedVariable]:
        self.check_source(specification)
        length, channels = self.target_shape
        check_size((length, channels), LARGEST_SAMPLE)
        check_size((length, self.hidden_channels), LARGEST_SAMPLE)
        shapes: list[Shape] = [
            (self.kernel_size, channels, self.hidden_channels),
            (self.hidden_channels,),
            (self.kernel_size, self.hidden_channels, channels),
            (channels,),
        ]
        for shape in shapes:
            check_size(shape, LARGEST_SAMPLE)
        return [ExpectedVariable(shape) for shape in shapes]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "target_shape": self.target_shape,
            "hidden_channels": self.hidden_channels,
            "kernel_size": self.kernel_size,
            "seed": self.seed,
        }
