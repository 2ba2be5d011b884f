"""The layers of Fracast-0.

Their names are those in the package's file, with hyphens instead of dots.
"""

import math
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import serializable
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

WIDTH, INNER_WIDTH, KERNEL = 64, 96, 3
NUM_DILATIONS, NUM_FUTURE_DILATIONS = 10, 6
NUM_FREQUENCIES = 4  # of the sines that describe a dilation
NUM_PERIODS, PHASES, SIGNIFICANCE = 4, 16, 0.05
NUM_RECENCIES = 5
HORIZON, FUTURE_SEED = 48, 128
QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SMALLEST_SPAN = 1e-5
EPSILON = 1.1920929e-07  # of PyTorch's normalization


@serializable
class SeriesRange(keras.layers.Layer):
    """Scales series to [0, 1], and marks what is known.

    Args:
        context_length: Integer. Number of steps of the result, with missing
            values in front.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        series: Tensor `(batch, length)`, with NaN for missing values.

    Returns:
        The scaled series, 0 where they are missing, and ones where they are
        known, both `(batch, context_length)`; their minimum, NaN without any
        value, and their range, `(batch, 1)`.
    """

    def __init__(self, context_length: int, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", "autocast": False, **kwargs})
        self.context_length = context_length

    def call(self, series: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        series = ops.cast(series, "float32")
        known = ops.isfinite(series)
        bound = ops.where(known, series, math.inf)
        low = ops.min(bound, axis=1, keepdims=True)
        # Without any value there is no range, and no forecast.
        low = ops.where(ops.isfinite(low), low, math.nan)
        bound = ops.where(known, series, -math.inf)
        span = ops.max(bound, axis=1, keepdims=True) - low
        span = ops.maximum(span, SMALLEST_SPAN)
        scaled = ops.where(known, (series - low) / span, 0.0)
        padding = [[0, 0], [self.context_length - series.shape[1], 0]]
        known = ops.cast(known, "float32")
        return ops.pad(scaled, padding), ops.pad(known, padding), low, span

    def compute_output_shape(self, series_shape: Shape) -> tuple[Shape, ...]:
        batch = series_shape[0]
        steps, number = (batch, self.context_length), (batch, 1)
        return steps, steps, number, number

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "context_length": self.context_length}


@serializable
class SeriesEncoder(keras.layers.Layer):
    """The network up to the states of a series, `(batch, length, 64)`.

    Call arguments:
        series, known: Tensors `(batch, length)`, as `SeriesRange` returns them.
    """

    def build(self, series_shape: Shape, known_shape: Shape) -> None:
        self.in_proj = dense(self, "in_proj", 2 + NUM_RECENCIES, WIDTH)
        self.periodic = dense(self, "periodic-proj", 2 * NUM_PERIODS, WIDTH)
        self.modulation = dense(
            self, "scale-to_gb", 2 * NUM_FREQUENCIES, 2 * WIDTH
        )
        self.block = CausalBlock(name="block", dtype=self.dtype_policy)
        self.block.build((None, None, WIDTH))
        self.norm = normalization(self, "norm")
        self.built = True

    def call(self, series: Tensor, known: Tensor) -> Tensor:
        length = series.shape[1]
        recency = recency_features(ops.arange(length, dtype="float32"), length)
        features = [series[..., None], known[..., None]]
        features.append(repeated(recency, series))
        x = self.in_proj(ops.concatenate(features, axis=-1))
        x = x + self.periodic(phase_features(series, known))
        for power in range(NUM_DILATIONS):
            gain, offset = ops.split(self.modulation(sines(power)), 2, axis=-1)
            x = self.block(x * (1.0 + gain) + offset, dilation=2**power)
        return self.norm(x)

    def compute_output_shape(
        self, series_shape: Shape, known_shape: Shape
    ) -> Shape:
        return (*series_shape, WIDTH)


@serializable
class ForecastDecoder(keras.layers.Layer):
    """The network from the states of a series to a forecast.

    Args:
        horizon: Integer. Number of steps.
        quantile: Float, or `None` for all of them.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        states: Tensor `(batch, length, 64)`.
        series, known, low, span: Tensors, as `SeriesRange` returns them.
    """

    def __init__(
        self, horizon: int, quantile: float | None, **kwargs: Any
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.horizon, self.quantile = horizon, quantile

    def build(self, states_shape: Shape, *_: Shape) -> None:
        self.summary = dense(
            self, "summary_proj", NUM_RECENCIES + 2 * WIDTH, WIDTH
        )
        self.queries = self.add_weight(name="queries", shape=(HORIZON, WIDTH))
        self.feed_forward = GatedDense(
            name="decoder_ffns-0", dtype=self.dtype_policy
        )
        self.feed_forward.build((None, None, WIDTH))
        self.norm = normalization(self, "decoder_norms-0")
        self.smoothing = []
        for index in range(2):
            layer = CausalConvolution(
                name=f"fc_blocks-{index}", dtype=self.dtype_policy
            )
            layer.build((None, None, WIDTH))
            norm = normalization(self, f"fc_blocks-{index}-norm")
            self.smoothing.append((layer, norm))
        self.future_in = dense(
            self, "future_conv-in_proj", 1 + NUM_RECENCIES, WIDTH
        )
        self.future_block = CausalBlock(
            name="future_conv-block", dtype=self.dtype_policy
        )
        self.future_block.build((None, None, WIDTH))
        self.future_out = dense(self, "future_conv-out_proj", WIDTH, WIDTH)
        self.out_proj = dense(self, "out_proj", WIDTH, len(QUANTILES))
        self.built = True

    def call(
        self,
        states: Tensor,
        series: Tensor,
        known: Tensor,
        low: Tensor,
        span: Tensor,
    ) -> Tensor:
        dtype, length = self.compute_dtype, states.shape[1]
        states = ops.cast(states, dtype)
        steps = ops.arange(length, length + HORIZON, dtype="float32")
        recency = repeated(recency_features(steps, length), series)
        summary = ops.concatenate(
            [ops.mean(states, axis=1), states[:, -1]], axis=-1
        )
        summary = ops.repeat(summary[:, None], HORIZON, axis=1)
        x = self.summary(
            ops.concatenate([ops.cast(recency, dtype), summary], axis=-1)
        )
        x = x + ops.cast(self.queries, dtype)
        x = self.norm(x + self.feed_forward(x))
        for index, (convolution, norm) in enumerate(self.smoothing):
            x = norm(x + convolution(x, dilation=2**index))
        fill = seasonal_fill(series, known, steps)
        future = ops.concatenate([fill[..., None], recency], axis=-1)
        future = self.future_in(ops.cast(future, dtype))
        future = ops.concatenate([states[:, -FUTURE_SEED:], future], axis=1)
        for power in range(NUM_FUTURE_DILATIONS):
            future = self.future_block(future, dilation=2**power)
        x = x + self.future_out(future[:, -HORIZON:])
        quantiles = ops.cast(self.out_proj(x), "float32")[:, : self.horizon]
        if self.quantile is None:
            return low[..., None] + span[..., None] * quantiles
        return low + span * quantiles[..., QUANTILES.index(self.quantile)]

    def compute_output_spec(
        self, states: keras.KerasTensor, *_: keras.KerasTensor
    ) -> keras.KerasTensor:
        last = (len(QUANTILES),) if self.quantile is None else ()
        shape = (states.shape[0], self.horizon, *last)
        return keras.KerasTensor(shape, "float32")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "horizon": self.horizon,
            "quantile": self.quantile,
        }


class CausalConvolution(keras.layers.Layer):
    """Convolves every feature along time, with a dilation given by `call`."""

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_weight(name="dw_weight", shape=(KERNEL, WIDTH))
        self.bias = self.add_weight(name="dw_bias", shape=(WIDTH,))
        self.built = True

    def call(self, x: Tensor, dilation: int) -> Tensor:
        length = x.shape[1]
        padded = ops.pad(x, [[0, 0], [(KERNEL - 1) * dilation, 0], [0, 0]])
        result = ops.convert_to_tensor(self.bias)
        for index in range(KERNEL):
            start = index * dilation
            result = (
                result
                + self.kernel[index] * (padded[:, start : start + length])
            )
        return result


class GatedDense(keras.layers.Layer):
    """Two dense layers, the first with a gate of its outputs."""

    def build(self, input_shape: Shape) -> None:
        self.up = dense(self, "up", WIDTH, 2 * INNER_WIDTH)
        self.down = dense(self, "down", INNER_WIDTH, WIDTH)
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        gate, value = ops.split(self.up(x), 2, axis=-1)
        return self.down(ops.silu(gate) * value)


class CausalBlock(CausalConvolution):
    """A convolution and a gated layer, each added to its input."""

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.pointwise = dense(self, "pw", WIDTH, WIDTH)
        self.feed_forward = GatedDense(name="ffn", dtype=self.dtype_policy)
        self.feed_forward.build(input_shape)
        self.norms = [normalization(self, f"norm{index}") for index in (1, 2)]

    def call(self, x: Tensor, dilation: int) -> Tensor:
        x = self.norms[0](x + self.pointwise(super().call(x, dilation)))
        return self.norms[1](x + self.feed_forward(x))


def dense(
    owner: keras.layers.Layer, name: str, inputs: int, units: int
) -> keras.layers.Layer:
    layer = keras.layers.Dense(units, name=name, dtype=owner.dtype_policy)
    layer.build((None, None, inputs))
    return layer


def normalization(owner: keras.layers.Layer, name: str) -> keras.layers.Layer:
    layer = keras.layers.RMSNormalization(
        epsilon=EPSILON, name=name, dtype=owner.dtype_policy
    )
    layer.build((None, None, WIDTH))
    return layer


def repeated(features: Tensor, series: Tensor) -> Tensor:
    """Returns the features of every step for each series of a batch."""
    zeros = ops.zeros_like(series[:, :1])[..., None]
    return zeros + features[None]


def sines(power: int) -> Tensor:
    """Returns the features of a dilation, `2 ** power`, of shape (1, 8)."""
    angles = [math.pi * power / 2**index for index in range(NUM_FREQUENCIES)]
    values = [*map(math.sin, angles), *map(math.cos, angles)]
    return ops.convert_to_tensor([values], "float32")


def recency_features(steps: Tensor, length: int) -> Tensor:
    """Returns functions of the distance from the last step, `(steps, 5)`."""
    distance = (steps - (length - 1)) / length
    size = ops.abs(distance)
    logarithm = ops.sign(distance) * ops.log1p(size) / math.log(2.0)
    decays = [ops.exp(-rate * size) for rate in (0.5, 2.0, 8.0)]
    return ops.stack([distance, logarithm, *decays], axis=-1)


def phase_features(series: Tensor, known: Tensor) -> Tensor:
    """Returns sine and cosine of each step in each period, `(..., 8)`."""
    periods = ops.cast(significant_periods(series, known), "float32")[:, None]
    steps = ops.arange(series.shape[1], dtype="float32")[None, :, None]
    phase = 2.0 * math.pi * steps / ops.maximum(periods, 1.0)
    waves = ops.stack([ops.sin(phase), ops.cos(phase)], axis=-1)
    waves = ops.where(periods[..., None] > 0, waves, 0.0)
    return ops.reshape(waves, (-1, series.shape[1], 2 * NUM_PERIODS))


def significant_periods(series: Tensor, known: Tensor) -> Tensor:
    """Returns the periods of the largest peaks of a periodogram.

    Args:
        series, known: Tensors `(batch, length)`, as `SeriesRange` returns them.

    Returns:
        An integer tensor `(batch, 4)` in the order of their power, with 0 for
        peaks that white noise would have in one of 20 series.
    """
    series, length = ops.stop_gradient(series), series.shape[1]
    series = ops.where(known > 0, series, known_mean(series, known))
    size = 2 ** math.ceil(math.log2(length))
    centered = series - ops.mean(series, axis=1, keepdims=True)
    real, imaginary = ops.rfft(centered, fft_length=size)
    power = (ops.square(real) + ops.square(imaginary))[:, 1:]
    total = ops.sum(power, axis=1, keepdims=True)
    power = power / ops.maximum(total, 1e-12)
    bins = size // 2
    below = ops.pad(power[:, :-2], [[0, 0], [1, 1]])
    above = ops.pad(power[:, 2:], [[0, 0], [1, 1]])
    index = ops.arange(bins)
    lowest = size // max(2, length // 2) - 1
    # The first and the last frequency have one neighbor, and are no peaks.
    is_inside = (index >= max(1, lowest)) & (index < bins - 1)
    threshold = math.log(bins / SIGNIFICANCE) / bins
    is_peak = (power > below) & (power > above) & (power >= threshold)
    score = ops.where(is_peak & is_inside[None], power, -1.0)
    score, found = ops.top_k(score, NUM_PERIODS)
    periods = ops.round(size / (ops.cast(found, "float32") + 1.0))
    return ops.cast(ops.where(score > 0, periods, 0.0), "int32")


def known_mean(series: Tensor, known: Tensor) -> Tensor:
    """Returns the mean of the known values, `(batch, 1)`."""
    count = ops.maximum(ops.sum(known, axis=1, keepdims=True), 1.0)
    return ops.sum(series * known, axis=1, keepdims=True) / count


def seasonal_fill(series: Tensor, known: Tensor, steps: Tensor) -> Tensor:
    """Returns the mean of past values in the phase of each future step.

    Args:
        series, known: Tensors `(batch, length)`, as `SeriesRange` returns them.
        steps: Tensor `(horizon,)`. Numbers of the future steps.
    """
    periods = ops.cast(significant_periods(series, known), "float32")[:, :1]
    periods = ops.maximum(periods, 1.0)

    def phases(steps: Tensor) -> Tensor:
        share = ops.mod(steps[None], periods) / periods * PHASES
        phase = ops.minimum(ops.cast(share, "int32"), PHASES - 1)
        return ops.one_hot(phase, PHASES, dtype="float32")

    past = phases(ops.arange(series.shape[1], dtype="float32"))
    past = past * known[..., None]
    counts = ops.sum(past, axis=1)
    totals = ops.sum(past * series[..., None], axis=1)
    means = ops.where(
        counts > 0, totals / ops.maximum(counts, 1.0), known_mean(series, known)
    )
    return ops.sum(phases(steps) * means[:, None], axis=-1)
