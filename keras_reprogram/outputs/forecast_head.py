"""The layer that forecasts a series from the source's outputs."""

import math
import statistics
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import constant
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.series.standardization import mean_and_deviation
from keras_reprogram.losses.pinball import check_quantiles
from keras_reprogram.outputs import targets
from keras_reprogram.outputs.channel_scale import channel_scale
from keras_reprogram.outputs.label_weights import Batch
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.probabilities import full_dtype
from keras_reprogram.program_parts import LARGEST_SAMPLE
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_size
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
    Training starts from the mean of the past. Mean and deviation are those of
    the values that are there, if NaN marks missing ones.

    With `channels`, those alone are forecast, and the `K` others are
    covariates: a second kernel, for every forecast channel, maps their outputs
    and adds to the term in parentheses

    ```
    concatenate(outputs of covariates) @ covariate_kernel / sqrt(K F)
    ```

    Covariates that are known over the horizon, such as a calendar, are part of
    the samples: see `keras_reprogram.inputs.with_known_future`.

    With `quantiles`, there is a forecast for each of them, trained with
    `keras_reprogram.losses.PinballLoss`. Training starts from the quantiles of
    a normal distribution with the mean and deviation of the past. Forecasts are
    sorted, so that quantiles do not cross.

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

    head = keras_reprogram.outputs.ForecastHead(
        horizon=24, channels=[6], quantiles=(0.1, 0.5, 0.9)
    )
    head(outputs, past).shape  # (2, 24, 1, 3)
    ```

    Args:
        horizon: Integer. Number of steps to forecast.
        channels: List of integers. The channels to forecast, from 0. Defaults
            to `None`, for all of them.
        quantiles: List of increasing floats above 0 and below 1. Defaults to
            `None`, for one forecast, without an axis of quantiles.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        outputs: Tensor `(batch, channels, ...)`, the source's outputs, as
            `keras_reprogram.inputs.SeriesReprogrammer` arranges them.
        samples: Tensor `(batch, length, channels)`, the past.

    Returns:
        A tensor `(batch, horizon, channels)` or `(batch, horizon, channels,
        quantiles)`, in the unit of the samples, of float32 at least. Labels are
        of the shape `(batch, horizon, channels)`; with one channel, its axis
        may be left out.

    Raises:
        ValueError: If the source's outputs are not arranged by channel, or
            `channels` or `quantiles` are not valid.

    References:
        - [Time-LLM](https://arxiv.org/abs/2310.01728)
        - Kim et al. 2022, reversible instance normalization, without its
          trained affine map
        - Koenker and Bassett 1978, "Regression quantiles"
        - [Quantile and probability curves without crossing](https://arxiv.org/abs/0704.3649),
          for sorting them
    """  # noqa: E501

    needs_outputs = False
    uses_samples = True

    def __init__(
        self,
        horizon: int,
        channels: Sequence[int] | None = None,
        quantiles: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.horizon = positive_integer("horizon", horizon)
        self.channels = check_channels(channels)
        if quantiles is not None:
            self.quantiles = check_quantiles(quantiles)

    @property
    def needs_data(self) -> bool:
        return True

    @property
    def _outputs_per_channel(self) -> int:
        """Number of forecasts of a channel: steps, times quantiles."""
        return self.horizon * len(self.quantiles or (None,))

    def _split_channels(self, num_channels: int) -> tuple[list[int], list[int]]:
        """Returns the channels to forecast, and the covariates.

        Args:
            num_channels: Integer. Number of channels of a sample.
        """
        if self.channels is None:
            return list(range(num_channels)), []
        if max(self.channels) >= num_channels:
            raise ValueError(
                f"`channels` must be from 0 to {num_channels - 1}, for samples "
                f"of {num_channels} channels. Received: "
                f"channels={self.channels}"
            )
        chosen = set(self.channels)
        others = [each for each in range(num_channels) if each not in chosen]
        return list(self.channels), others

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
                "`SeriesReprogrammer` without `pooling`, and for a "
                '`TextSource` `pooling="sequence"`. Received: samples of shape '
                f"{tuple(samples_shape)}, outputs of shape "
                f"{tuple(outputs_shape)}"
            )
        self.num_channels = channels
        self.num_features = math.prod(sizes[1:])
        self.forecast, self.covariates = self._split_channels(channels)
        outputs = self._outputs_per_channel
        self.kernel = self._add_kernel("kernel", self.num_features, outputs)
        self.bias = self.add_weight(
            name="bias",
            shape=(outputs,),
            dtype=full_dtype(self.variable_dtype),
            initializer=constant(self._initial_bias()),
        )
        self.covariate_kernel = None
        if self.covariates:
            self.covariate_kernel = self._add_kernel(
                "covariate_kernel",
                len(self.covariates) * self.num_features,
                len(self.forecast) * outputs,
            )
        self.scale = self.add_weight(
            name="scale",
            shape=(len(self.forecast),),
            dtype=full_dtype(self.variable_dtype),
            initializer="zeros",
            trainable=False,
        )
        self.add_solved_flag(False)
        self.targets = targets.NumberTargets((self.horizon, len(self.forecast)))

    def _add_kernel(self, name: str, *shape: int) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=shape,
            dtype=full_dtype(self.variable_dtype),
            initializer="zeros",
        )

    def _initial_bias(self) -> np.ndarray:
        """Returns 0, or the quantiles of a standard normal distribution."""
        if self.quantiles is None:
            return np.zeros(self.horizon)
        normal = statistics.NormalDist()
        return np.tile(
            [normal.inv_cdf(quantile) for quantile in self.quantiles],
            self.horizon,
        )

    def call(self, outputs: Tensor, samples: Tensor) -> Tensor:
        outputs = ops.cast(outputs, self.full_dtype)
        samples = ops.cast(samples, self.full_dtype)
        if self.channels is not None:
            samples = ops.take(samples, self.forecast, axis=-1)
        # A constant past has no scale of its own.
        mean, deviation = mean_and_deviation(samples, self._known_scale())
        standardized = self.standardized(outputs)
        if self.quantiles is None:
            return mean + deviation * ops.transpose(standardized, (0, 2, 1))
        standardized = ops.reshape(
            standardized,
            (-1, len(self.forecast), self.horizon, len(self.quantiles)),
        )
        standardized = ops.transpose(standardized, (0, 2, 1, 3))
        standardized = ops.sort(standardized, axis=-1)
        return mean[..., None] + deviation[..., None] * standardized

    def standardized(self, outputs: Tensor) -> Tensor:
        """Returns forecasts `(batch, channels, outputs_per_channel)`.

        They are in units of the deviation of the past, from its mean.
        """
        features = ops.reshape(
            outputs, (-1, self.num_channels, self.num_features)
        )
        features = features / self.num_features**0.5
        own = features
        if self.channels is not None:
            own = ops.take(features, self.forecast, axis=1)
        standardized = ops.matmul(own, self.kernel) + self.bias
        if self.covariate_kernel is None:
            return standardized
        others = ops.reshape(
            ops.take(features, self.covariates, axis=1),
            (-1, len(self.covariates) * self.num_features),
        )
        added = ops.matmul(
            others / len(self.covariates) ** 0.5, self.covariate_kernel
        )
        shape = (-1, len(self.forecast), self._outputs_per_channel)
        return standardized + ops.reshape(added, shape)

    def adapt(self, batches: Iterable[Batch]) -> None:
        """Computes each channel's deviation from the targets.

        Args:
            batches: As for `channel_scale`.

        Raises:
            ValueError: If there is no batch, no weight is above 0, or a channel
                has no target.
        """
        self.scale.assign(channel_scale(batches, len(self.forecast)))
        self.mark_solved()

    def _known_scale(self) -> Tensor:
        """Returns each channel's scale, 1 if it was not computed."""
        scale = ops.convert_to_tensor(self.scale)
        return ops.where(ops.greater(scale, 0), scale, ops.ones_like(scale))

    def loss_units(self, y: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        scale = self._known_scale()
        if self.quantiles is None:
            return targets.divided(y, y_pred, scale)
        y, _ = targets.divided(y, y_pred[..., 0], scale)
        return y, y_pred / ops.cast(scale, y_pred.dtype)[:, None]

    @property
    def learned_variables(self) -> list[keras.Variable]:
        variables = [self.kernel, self.bias, self.scale]
        if self.covariate_kernel is not None:
            variables.append(self.covariate_kernel)
        return variables

    def expected_variables(
        self, specification: SourceSpecification, outputs_shape: Shape
    ) -> list[ExpectedVariable]:
        sizes = [size for size in outputs_shape[1:] if size is not None]
        if len(sizes) < 2 or len(sizes) != len(outputs_shape) - 1:
            raise ValueError(
                "A forecast needs outputs of shape (batch, channels, ...). "
                f"Received: outputs of shape {outputs_shape}"
            )
        check_size((self._outputs_per_channel,), LARGEST_SAMPLE)
        forecast, covariates = self._split_channels(sizes[0])
        features, outputs = math.prod(sizes[1:]), self._outputs_per_channel
        variables = [
            ExpectedVariable((features, outputs)),
            ExpectedVariable((outputs,)),
            ExpectedVariable((len(forecast),)),
        ]
        if covariates:
            shape = (len(covariates) * features, len(forecast) * outputs)
            variables.append(ExpectedVariable(shape))
        return variables

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
        channels = samples_shape[-1]
        if self.channels is not None:
            channels = len(self.channels)
        shape = (samples_shape[0], self.horizon, channels)
        if self.quantiles is None:
            return shape
        return (*shape, len(self.quantiles))

    def compute_output_spec(
        self, outputs: keras.KerasTensor, samples: keras.KerasTensor
    ) -> keras.KerasTensor:
        shape = self.compute_output_shape(outputs.shape, samples.shape)
        return keras.KerasTensor(shape, self.full_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "horizon": self.horizon,
            "channels": self.channels,
            "quantiles": self.quantiles,
        }


def check_channels(channels: Sequence[int] | None) -> list[int] | None:
    """Returns an argument `channels` if it is valid."""
    if channels is None:
        return None
    found = [] if isinstance(channels, str) else list(np.ravel(channels))
    indices = [integer(each) for each in found]
    if (
        not indices
        or None in indices
        or min(each or 0 for each in indices) < 0
        or len(set(indices)) < len(indices)
    ):
        raise ValueError(
            "`channels` must be different integers from 0, or `None` for all "
            f"channels. Received: channels={channels!r}"
        )
    return [int(each) for each in found]
