"""Statistics of series, and the soft prompt that encodes them."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.inputs.series.missing_values import within_known
from keras_reprogram.inputs.tokens.layout import SoftPrompt
from keras_reprogram.inputs.tokens.source_embeddings import SourceEmbeddings
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.typing import Tensor

NUMBERS_BESIDES_LAGS = 4


def series_statistics(
    series: Tensor, num_lags: int = 5, known: Tensor = None
) -> Tensor:
    """Returns minimum, maximum, median, trend and strongest lags of series.

    ```
    autocorrelation = irfft(|rfft(x)|^2),    trend = x[-1] - x[0]
    ```

    Lags are those from 1 to half the length at which the circular
    autocorrelation has a peak, in order of decreasing height, shorter ones
    first if equal; if there are too few peaks, other lags follow. (Time-LLM
    takes the five largest of all lags, which for a smooth series are 0, 1, 2
    and their mirror images.)

    Example:

    ```python
    series = np.sin(2 * np.pi * np.arange(96.0) / 24)[None]
    series_statistics(series)  # [[-1, 1, 0, about -0.26, 0.25, 0.5, ...]]
    ```

    Args:
        series: Floating point tensor `(batch, length)`, of mean 0.
        num_lags: Integer. Number of lags, at most half the length.
        known: Boolean tensor `(batch, length)`. Where the series has values
            of its own. The others are left out of all numbers but the
            autocorrelation, which takes them as they are, interpolated,
            between the first and the last known step, and as 0 before and
            after. Defaults to `None`, for all of them.

    Returns:
        A tensor `(batch, 4 + num_lags)`; lags are divided by the length.
    """
    series = ops.convert_to_tensor(series)
    dtype, length = series.dtype, series.shape[1]
    series = ops.cast(series, "float32")
    trend = series[:, -1] - series[:, 0]
    numbers = [*minimum_maximum_median(series, known), trend]
    if known is not None:
        inside = within_known(known)
        series = ops.where(inside, series, ops.zeros_like(series))

    largest = ops.max(ops.abs(series), axis=1, keepdims=True)
    one = ops.ones_like(largest)
    unit = ops.where(largest > 0, largest, one)
    real, imaginary = ops.rfft(series / unit)
    power = ops.square(real) + ops.square(imaginary)
    correlation = ops.irfft((power, ops.zeros_like(power)), fft_length=length)
    energy = correlation[:, :1]
    correlation = correlation / ops.where(energy > 0, energy, one)
    lags = ops.arange(1, length // 2 + 1)
    here = ops.take(correlation, lags, axis=1)
    is_peak = ops.logical_and(
        here > ops.take(correlation, lags - 1, axis=1),
        here >= ops.take(correlation, (lags + 1) % length, axis=1),
    )
    lags = ops.cast(lags, "float32") / length
    # Peaks come first, because correlations are at most 1; lags break ties.
    score = here + 3.0 * ops.cast(is_peak, "float32") - 1e-3 * lags
    _, best = ops.top_k(score, num_lags)
    statistics = ops.concatenate(
        [ops.stack(numbers, axis=1), ops.take(lags, best)], axis=1
    )
    return ops.cast(statistics, dtype)


def minimum_maximum_median(
    series: Tensor, known: Tensor = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns three order statistics of series.

    Args:
        series: Tensor `(batch, length)`.
        known: As for `series_statistics`, with at least one known step.
    """
    if known is None:
        length = series.shape[1]
        ordered = ops.sort(series, axis=1)
        low, high = ordered[:, (length - 1) // 2], ordered[:, length // 2]
        return ordered[:, 0], ordered[:, -1], (low + high) / 2
    infinity = ops.full_like(series, math.inf)
    ordered = ops.sort(ops.where(known, series, infinity), axis=1)
    count = ops.sum(ops.cast(known, "int32"), axis=1, keepdims=True)
    places = [ops.zeros_like(count), count - 1, (count - 1) // 2, count // 2]
    smallest, largest, low, high = ops.unstack(
        ops.take_along_axis(ordered, ops.concatenate(places, axis=1), axis=1),
        axis=1,
    )
    return smallest, largest, (low + high) / 2


@serializable
class StatisticsPrompt(SoftPrompt):
    """A soft prompt that is an affine function of a series' statistics.

    ```
    e_i = offset_i + statistic_i * slope_i
    ```

    It has one step for each number of `series_statistics`. Time-LLM writes the
    numbers as text for the source's tokenizer; here offsets and slopes are
    trained, without a tokenizer, and a number takes one step instead of
    several.

    Args:
        num_lags: Integer. Number of lags. Defaults to `5`.
        token_ids: List of integers, one for each number. Source tokens whose
            embeddings initialize the offsets, such as those of "minimum",
            "maximum", .... Defaults to tokens drawn at random. Slopes are
            initialized with zeros.
        seed: Integer. Seed of that draw. Defaults to `0`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        series: Tensor `(batch, length)`, of mean 0 and deviation 1.
        known: As for `series_statistics`. Defaults to `None`.

    Returns:
        A tensor `(batch, 4 + num_lags, width)`.

    References:
        - [Time-LLM](https://arxiv.org/abs/2310.01728)
    """

    def __init__(
        self,
        num_lags: int = 5,
        token_ids: Sequence[int] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        self.num_lags = positive_integer("num_lags", num_lags)
        length = NUMBERS_BESIDES_LAGS + self.num_lags
        super().__init__(length, token_ids, seed, **kwargs)

    def expected_variables(
        self, source_embeddings: SourceEmbeddings
    ) -> list[ExpectedVariable]:
        return 2 * super().expected_variables(source_embeddings)

    def build_on(self, source_embeddings: SourceEmbeddings) -> None:
        super().build_on(source_embeddings)
        self.slopes = self.add_weight(
            name="slopes", shape=self.embeddings.shape, initializer="zeros"
        )

    def call(self, series: Tensor, known: Tensor = None) -> Tensor:
        statistics = series_statistics(series, self.num_lags, known)
        moved = ops.multiply(statistics[:, :, None], self.slopes)
        return ops.add(ops.cast(self.embeddings, moved.dtype), moved)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "num_lags": self.num_lags}
        del config["length"]
        return config


def get(
    identifier: bool | dict[str, Any] | StatisticsPrompt,
) -> StatisticsPrompt | None:
    """Returns a statistics prompt, or `None`."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, StatisticsPrompt):
        return identifier
    if isinstance(identifier, (bool, np.bool_)):
        return StatisticsPrompt() if identifier else None
    raise ValueError(
        "`statistics` must be `True`, `False` or a `StatisticsPrompt`. "
        f"Received: statistics={identifier!r}"
    )
