"""Fracast-0, a forecaster of single series from a PyPI package."""

import pathlib

import keras
import numpy as np

from keras_reprogram.configurable import positive_integer
from keras_reprogram.optional_packages import optional_package
from keras_reprogram.pretrained.fracast_layers import HORIZON
from keras_reprogram.pretrained.fracast_layers import QUANTILES
from keras_reprogram.pretrained.fracast_layers import ForecastDecoder
from keras_reprogram.pretrained.fracast_layers import SeriesEncoder
from keras_reprogram.pretrained.fracast_layers import SeriesRange
from keras_reprogram.pretrained.package_files import file_of_package
from keras_reprogram.pretrained.package_files import known_content

SHA256 = "0d678f123f3d1f91c5065cca2b5d40eccc469360afc2381b27290486011ded2c"
SHORTEST, LONGEST = 8, 2048


def fracast_forecaster(
    length: int = 512,
    horizon: int = HORIZON,
    context_length: int | None = None,
    quantile: float | None = 0.5,
    dtype: str | None = None,
) -> keras.Model:
    """Returns Fracast-0, a forecaster of single series of any kind.

    A causal block of convolutions with 85,001 parameters altogether is applied
    at ten dilations, with sines of the periods that a periodogram finds. Each
    series is scaled to [0, 1], and the forecast is scaled back. Every step is
    part of the model, so that a program can be trained in front of it; the
    periods, which are integers, pass no gradient.

    The weights come from the package `fracast`, whose dependencies are not
    needed: install it with `pip install --no-deps fracast`. They are read
    without PyTorch.

    Example:

    ```python
    # source = keras_reprogram.pretrained.fracast_forecaster(96, horizon=24)
    # source.predict(np.random.rand(2, 96), verbose=0).shape  # (2, 24)
    ```

    Args:
        length: Integer from 8 to 2048. Number of steps of a series. Defaults
            to `512`.
        horizon: Integer from 1 to 48. Number of steps to forecast. Defaults
            to `48`.
        context_length: Integer from `length` to 2048. Number of steps that the
            network runs over, with missing values in front of the series.
            `2048` stands for the package's own predictions; the time of a
            prediction is proportional to it. Defaults to `None`, for
            `length`.
        quantile: Float. Which of the quantiles 0.1, 0.2, ..., 0.9 is returned.
            `None` returns all nine. Defaults to `0.5`, the median.
        dtype: String. Keras dtype policy of the network. Defaults to `None`,
            the global policy.

    Returns:
        A functional `keras.Model` from series `(batch, length)`, in which NaN
        marks what is missing, to forecasts `(batch, horizon)`, or `(batch,
        horizon, 9)` for all quantiles, of float32. The forecast of a series
        without any value is NaN.

    Raises:
        ImportError: If the package with the weights is not installed.
        ValueError: If the package holds other weights than the known ones, or
            a number is out of range.

    References:
        - [Fracast-0](https://github.com/ztxtech/fracast-0)
        - [TinyCast](https://arxiv.org/abs/2608.15767), for the periods
    """
    length = in_range("length", length, SHORTEST, LONGEST)
    horizon = in_range("horizon", horizon, 1, HORIZON)
    if context_length is None:
        context_length = length
    context_length = in_range("context_length", context_length, length, LONGEST)
    if quantile is not None and quantile not in QUANTILES:
        raise ValueError(
            f"`quantile` must be one of {QUANTILES}, or None for all of them. "
            f"Received: quantile={quantile!r}"
        )
    weights = read_weights(weights_path())
    model = network(length, horizon, context_length, quantile, dtype)
    load_weights(model, weights)
    return model


def in_range(name: str, value: int, smallest: int, largest: int) -> int:
    if not smallest <= positive_integer(name, value) <= largest:
        raise ValueError(
            f"`{name}` must be an integer from {smallest} to {largest}. "
            f"Received: {name}={value!r}"
        )
    return value


def weights_path() -> pathlib.Path:
    return file_of_package(
        "fracast",
        "weights",
        "model.safetensors",
        message="The forecaster needs the package `fracast`. Install it with "
        "`pip install --no-deps fracast`.",
    )


def read_weights(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the arrays of the known file by their names."""
    safetensors = optional_package(
        "safetensors.numpy", "pretrained", "The forecaster"
    )
    weights: dict[str, np.ndarray] = safetensors.load(
        known_content(path, SHA256)
    )
    return weights


def network(
    length: int,
    horizon: int,
    context_length: int,
    quantile: float | None,
    dtype: str | None = None,
) -> keras.Model:
    """Returns the network with random weights."""
    series = keras.Input((length,), name="series")
    scaled, known, low, span = SeriesRange(context_length)(series)
    hidden = SeriesEncoder(name="core", dtype=dtype)(scaled, known)
    decoder = ForecastDecoder(horizon, quantile, name="head", dtype=dtype)
    outputs = decoder(hidden, scaled, known, low, span)
    return keras.Model(series, outputs, name="fracast")


def load_weights(model: keras.Model, weights: dict[str, np.ndarray]) -> None:
    """Assigns the package's arrays to the variables of the same path."""
    for variable in model.weights:
        *owners, kind = variable.path.split("/")
        names = {"kernel": "weight", "scale": "weight"}
        name = ".".join([*owners, names.get(kind, kind)]).replace("-", ".")
        value = weights[name]
        if kind == "kernel":
            value = value.T
        elif kind == "dw_weight":
            value = value[:, 0].T
        variable.assign(value)
