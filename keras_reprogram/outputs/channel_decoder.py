"""The layer that mixes forecasts of single series to one of all channels."""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.series.channel_adapter import channel_kernel
from keras_reprogram.inputs.series.standardization import mean_and_deviation
from keras_reprogram.outputs import targets
from keras_reprogram.outputs.channel_scale import channel_scale
from keras_reprogram.outputs.label_weights import Batch
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.probabilities import full_dtype
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class ChannelDecoder(OutputMapping):
    """Maps forecasts of components to a forecast of all channels.

    ```
    forecast_h = mean(x) + deviation(x) * (outputs_h @ kernel + bias)
    ```

    at every step `h`, with the mean and the deviation of each channel in the
    past. `outputs` are the source's forecasts of the components that
    `keras_reprogram.inputs.ChannelAdapter` has made. The kernel starts from the
    transpose of the adapter's.

    Before training, `ReprogrammedModel.fit` computes each channel's deviation
    from the targets. Targets and predictions are divided by it before a loss
    compares them, so that every channel counts the same. Predictions and
    metrics are in the channels' own units.

    Example:

    ```python
    decoder = keras_reprogram.outputs.ChannelDecoder()
    outputs = np.random.rand(2, 7, 24)  # of 7 components
    past = np.random.rand(2, 96, 7)
    decoder(outputs, past).shape  # (2, 24, 7)
    ```

    Args:
        seed: Integer. Seed of the kernel, which has to be that of the adapter.
            Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        outputs: Tensor `(batch, components, horizon)`, as the adapter arranges
            the source's outputs.
        samples: Tensor `(batch, length, channels)`, the past.

    Returns:
        A tensor `(batch, horizon, channels)`, in the unit of the samples, of
        float32 at least. Labels are of the same shape.

    Raises:
        ValueError: If the source's outputs are not arranged by component.

    References:
        - [AdaPTS](https://arxiv.org/abs/2502.10235)
    """

    needs_outputs = False
    uses_samples = True

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = check_seed(seed)

    @property
    def needs_data(self) -> bool:
        return True

    def build(self, outputs_shape: Shape, samples_shape: Shape) -> None:
        components, horizon = check_outputs(outputs_shape)
        channels = samples_shape[-1]
        if len(samples_shape) != 3 or channels is None:
            raise ValueError(
                "A `ChannelDecoder` needs samples of shape (batch, length, "
                "channels): use a `ChannelAdapter`. Received: samples of shape "
                f"{tuple(samples_shape)}"
            )
        self.channels, self.horizon = channels, horizon
        initializer = channel_kernel(channels, components, self.seed)
        dtype = full_dtype(self.variable_dtype)

        def transposed(shape: Shape, dtype: str | None = None) -> Tensor:
            return ops.transpose(initializer(shape[::-1], dtype=dtype))

        self.kernel = self.add_weight(
            name="kernel",
            shape=(components, channels),
            dtype=dtype,
            initializer=transposed,
        )
        self.bias = self.add_weight(
            name="bias", shape=(channels,), dtype=dtype, initializer="zeros"
        )
        self.scale = self.add_weight(
            name="scale",
            shape=(channels,),
            dtype=dtype,
            initializer="zeros",
            trainable=False,
        )
        self.add_solved_flag(False)
        self.targets = targets.NumberTargets((horizon, channels))

    def call(self, outputs: Tensor, samples: Tensor) -> Tensor:
        outputs = ops.cast(outputs, self.full_dtype)
        mean, deviation = mean_and_deviation(ops.cast(samples, self.full_dtype))
        components = ops.transpose(outputs, (0, 2, 1))
        mixed = ops.add(ops.matmul(components, self.kernel), self.bias)
        return ops.add(mean, ops.multiply(deviation, mixed))

    def adapt(self, batches: Iterable[Batch]) -> None:
        """Computes each channel's deviation from the targets.

        Args:
            batches: As for `channel_scale`.

        Raises:
            ValueError: If there is no batch, or no weight is above 0.
        """
        self.scale.assign(channel_scale(batches, self.channels))
        self.mark_solved()

    def loss_units(self, y: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        scale = ops.convert_to_tensor(self.scale)
        scale = ops.where(ops.greater(scale, 0), scale, ops.ones_like(scale))
        return targets.divided(y, y_pred, scale)

    @property
    def learned_variables(self) -> list[keras.Variable]:
        return [self.kernel, self.bias, self.scale]

    def expected_variables(
        self, specification: SourceSpecification, outputs_shape: Shape
    ) -> list[ExpectedVariable]:
        components, _ = check_outputs(outputs_shape)
        # The samples, whose channels they are, are not known here.
        return [
            ExpectedVariable((components, None), largest=MOST_VALUES),
            ExpectedVariable((None,), largest=MOST_VALUES),
            ExpectedVariable((None,), largest=MOST_VALUES),
        ]

    def check_ready_to_train(self) -> None:
        if not self.solved:
            raise ValueError(
                "The scale of a `ChannelDecoder` is found from data before "
                "training: call `adapt` on the `ReprogrammedModel`, or `fit`, "
                "which does so by itself. Received: a decoder without data"
            )

    def compute_output_spec(
        self, outputs: keras.KerasTensor, samples: keras.KerasTensor
    ) -> keras.KerasTensor:
        shape = (samples.shape[0], outputs.shape[-1], samples.shape[-1])
        return keras.KerasTensor(shape, self.full_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


# Of a decoder's kernel in a program file.
MOST_VALUES = 2**22


def check_outputs(outputs_shape: Shape) -> tuple[int, int]:
    """Returns the numbers of components and of steps of a forecast."""
    if len(outputs_shape) == 3:
        _, components, horizon = outputs_shape
        if components is not None and horizon is not None:
            return components, horizon
    raise ValueError(
        "A `ChannelDecoder` needs outputs of shape (batch, components, "
        "horizon): use a `ChannelAdapter`. Received: outputs of shape "
        f"{tuple(outputs_shape)}"
    )
