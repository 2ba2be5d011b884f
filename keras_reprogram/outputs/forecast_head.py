"""The layer that forecasts a series from the source's outputs."""

import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.series.standardization import mean_and_deviation
from keras_reprogram.outputs import targets
from keras_reprogram.outputs.label_weights import Batch
from keras_reprogram.outputs.label_weights import weights_of_shape
from keras_reprogram.outputs.label_weights import with_weights
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.outputs.ridge_regression import RidgeStatistics
from keras_reprogram.probabilities import full_dtype
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor


@serializable
class ForecastHead(OutputMapping):
    """Forecasts every series in the scale of its own past.

    ```
    forecast = mean(x) + deviation(x) * (flatten(outputs) @ kernel / sqrt(F) + bias)
    ```

    with `F` outputs of the source for a series. All channels share the kernel.
    The factor `1 / sqrt(F)` makes Adam's steps suit any number of outputs.
    Training starts from the mean of the past.

    Before training, `ReprogrammedModel.fit` computes each channel's deviation
    from the targets. Targets and predictions are divided by it before a loss
    compares them, so that neither the loss nor the steps depend on the unit of
    the series. Predictions and metrics are in that unit.

    Example:

    ```python
    head = keras_reprogram.outputs.ForecastHead(horizon=24)
    outputs = np.random.rand(2, 7, 11, 8)  # of 7 channels, at 11 patches
    past = np.random.rand(2, 96, 7)
    head(outputs, past).shape  # (2, 24, 7)
    ```

    Args:
        horizon: Integer. Number of steps to forecast.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        outputs: Tensor `(batch, channels, ...)`, the source's outputs, as
            `keras_reprogram.inputs.SeriesReprogrammer` arranges them.
        samples: Tensor `(batch, length, channels)`, the past.

    Returns:
        A tensor `(batch, horizon, channels)`, in the unit of the samples, of
        float32 at least. Labels are of the same shape; with one channel, its
        axis may be left out.

    Raises:
        ValueError: If the source's outputs are not arranged by channel.

    References:
        - [Time-LLM](https://arxiv.org/abs/2310.01728)
        - Kim et al. 2022, reversible instance normalization, without its
          trained affine map
    """  # noqa: E501

    needs_outputs = False
    uses_samples = True

    def __init__(self, horizon: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.horizon = positive_integer("horizon", horizon)

    @property
    def needs_data(self) -> bool:
        return True

    def build(self, outputs_shape: Shape, samples_shape: Shape) -> None:
        sizes = [size for size in outputs_shape[1:] if size is not None]
        channels = samples_shape[-1]
        if (
            channels is None
            or len(samples_shape) != 3
            or len(sizes) < 2
            or len(sizes) != len(outputs_shape) - 1
            or sizes[0] != channels
        ):
            raise ValueError(
                "A forecast needs samples of shape (batch, length, channels) "
                "and outputs of shape (batch, channels, ...): use a "
                "`SeriesReprogrammer`, and for a `TextSource` "
                '`pooling="sequence"`. Received: samples of shape '
                f"{tuple(samples_shape)}, outputs of shape "
                f"{tuple(outputs_shape)}"
            )
        self.channels = channels
        self.num_features = math.prod(sizes[1:])
        dtype = full_dtype(self.variable_dtype)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.num_features, self.horizon),
            dtype=dtype,
            initializer="zeros",
        )
        self.bias = self.add_weight(
            name="bias",
            shape=(self.horizon,),
            dtype=dtype,
            initializer="zeros",
        )
        self.scale = self.add_weight(
            name="scale",
            shape=(self.channels,),
            dtype=dtype,
            initializer="zeros",
            trainable=False,
        )
        self.add_solved_flag(False)
        self.targets = targets.NumberTargets((self.horizon, self.channels))

    def call(self, outputs: Tensor, samples: Tensor) -> Tensor:
        outputs = ops.cast(outputs, self.full_dtype)
        samples = ops.cast(samples, self.full_dtype)
        mean, deviation = mean_and_deviation(samples)
        # A constant past has no scale of its own.
        varies = ops.not_equal(
            ops.max(samples, axis=1, keepdims=True),
            ops.min(samples, axis=1, keepdims=True),
        )
        deviation = ops.where(varies, deviation, self.known_scale())
        features = ops.reshape(outputs, (-1, self.channels, self.num_features))
        features = features / self.num_features**0.5
        standardized = ops.matmul(features, self.kernel) + self.bias
        return mean + deviation * ops.transpose(standardized, (0, 2, 1))

    def adapt(self, batches: Iterable[Batch]) -> None:
        """Computes each channel's deviation from the targets.

        Args:
            batches: Iterable of tuples of anything, targets
                `[N, horizon, channels]`, and optionally weights `[N]` or
                `[N, horizon]`.

        Raises:
            ValueError: If there is no batch, or no weight is above 0.
        """
        statistics = RidgeStatistics()
        for _, values, weights in with_weights(batches):
            values = np.asarray(values)
            if weights is not None:
                weights = weights_of_shape(weights, values.shape[:2]).ravel()
            rows = np.reshape(values, (-1, self.channels))
            statistics.add(np.zeros((len(rows), 0)), rows, weights)
        if not statistics.count:
            raise ValueError(
                "The scale of a forecast is computed from at least one sample "
                "with a weight above 0. Received: no batches, or weights of 0"
            )
        _, scale = statistics.target_scale()
        self.scale.assign(scale.astype("float32"))
        self.mark_solved()

    def known_scale(self) -> Tensor:
        """Returns each channel's scale, 1 if it was not computed."""
        scale = ops.convert_to_tensor(self.scale)
        return ops.where(ops.greater(scale, 0), scale, ops.ones_like(scale))

    def loss_units(self, y: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        return targets.divided(y, y_pred, self.known_scale())

    @property
    def learned_variables(self) -> list[keras.Variable]:
        return [self.kernel, self.bias, self.scale]

    def expected_variables(
        self, specification: SourceSpecification, outputs_shape: Shape
    ) -> list[ExpectedVariable]:
        sizes = [size for size in outputs_shape[1:] if size is not None]
        if len(sizes) < 2 or len(sizes) != len(outputs_shape) - 1:
            raise ValueError(
                "A forecast needs outputs of shape (batch, channels, ...). "
                f"Received: outputs of shape {outputs_shape}"
            )
        return [
            ExpectedVariable((math.prod(sizes[1:]), self.horizon)),
            ExpectedVariable((self.horizon,)),
            ExpectedVariable((sizes[0],)),
        ]

    def on_variables_loaded(self) -> None:
        # Files of version 0.1.0 have no scale: `fit` finds it.
        if (ops.convert_to_numpy(self.scale.value) > 0).all():
            super().on_variables_loaded()

    def check_ready_to_train(self) -> None:
        if not self.solved:
            raise ValueError(
                "The scale of a `ForecastHead` is found from data before "
                "training: call `adapt` on the `ReprogrammedModel`, or `fit`, "
                "which does so by itself. Received: a head without data"
            )

    def compute_output_shape(
        self, outputs_shape: Shape, samples_shape: Shape
    ) -> Shape:
        return (samples_shape[0], self.horizon, samples_shape[-1])

    def compute_output_spec(
        self, outputs: keras.KerasTensor, samples: keras.KerasTensor
    ) -> keras.KerasTensor:
        shape = self.compute_output_shape(outputs.shape, samples.shape)
        return keras.KerasTensor(shape, self.full_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "horizon": self.horizon}
