"""Forecasts the temperature of a transformer with a frozen language model.

ETTh1, seven hourly series of an electricity transformer: from the last 336
hours to the next 96. Time-LLM puts SmolLM2, or its first layers, between two
ends that learn; it is compared with the last value, the same hour of the day
before, a linear model (DLinear, arXiv 2205.13504), and itself without the
language model (arXiv 2406.16964). Errors are those of all test windows, of
standardized series; the epoch is the best one on validation windows.

    python examples/forecasting.py --data ETTh1.csv

With `--temperature`, the oil's temperature alone is forecast, by its quantiles
at 0.1, 0.5 and 0.9; the six loads are covariates of the past, and the hour of
the day and of the week covariates that are known ahead. Reported are the error
of the median, the pinball loss, and how many hours the interval covers (of 80
percent) at which width.

On one core, `--layers 3 --windows 1200 --epochs 2` takes half an hour; the
default setting is for a GPU.
"""

import time
import urllib.error
import urllib.request

import common
import keras
import keras_hub
import numpy as np
from keras import ops

import keras_reprogram

ADDRESS = (
    "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/"
    "ETTh1.csv"
)
PARTS = {"train": 8640, "validation": 2880, "test": 2880}  # hours
DAY = 24
TEMPERATURE = 6  # the last of seven channels
QUANTILES = (0.1, 0.5, 0.9)


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "forecasting")
    parser.add_argument(
        "--data", default=ADDRESS, help="path or address of ETTh1.csv"
    )
    parser.add_argument(
        "--temperature",
        action="store_true",
        help="forecast quantiles of the temperature, with covariates",
    )
    parser.add_argument("--look-back", type=int, default=336)
    parser.add_argument("--horizon", type=int, default=96)
    parser.add_argument("--stride", type=int, default=8)
    parser.add_argument("--layers", type=int, default=6, help="of 30")
    parser.add_argument(
        "--prototypes", type=int, default=1000, help="the paper has 1,000"
    )
    parser.add_argument(
        "--candidates", type=int, help="source tokens; all if left out"
    )
    parser.add_argument(
        "--windows", type=int, default=8209, help="for training, of 8,209"
    )
    parser.add_argument("--validation-windows", type=int, default=500)
    parser.add_argument(
        "--test-windows", type=int, help="evenly spaced; all if left out"
    )
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--linear-epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    options = parser.parse_args()
    if options.quick:
        options.layers, options.stride, options.epochs = 1, 32, 1
        options.prototypes, options.candidates = 50, 500
        options.windows, options.validation_windows = 64, 16
        options.test_windows, options.linear_epochs = 64, 1
    keras.utils.set_random_seed(options.seed)

    table = read_table(options.data)
    if options.temperature:
        rows = temperature_rows(table, options)
        print_table(rows, ("mae", "pinball", "coverage", "width"))
        common.write_results(rows, options.output)
        return

    parts = windows(table, options)
    source = load_source(options.layers)
    few = spaced(parts["train"], options.windows)
    rows = [
        row("last value", parts, lambda past: last(past, 1, options)),
        row("24 hours before", parts, lambda past: last(past, DAY, options)),
        trained("DLinear", linear_model(options), parts, None, options),
        trained("DLinear", linear_model(options), parts, few, options),
        trained(
            f"Time-LLM, {options.layers} of 30 layers",
            keras_reprogram.ReprogrammedModel(source, *ends(options)),
            parts,
            few,
            options,
        ),
        trained(
            "without the language model",
            without_language_model(source, options),
            parts,
            few,
            options,
        ),
    ]
    print_table(rows, ("mse", "mae"))
    common.write_results(rows, options.output)


def print_table(rows: list[dict], scores: tuple[str, ...]) -> None:
    names = " ".join(f"{name:>8}" for name in scores)
    print(f"\n{'method':>28} {'windows':>8} {names}")
    for result in rows:
        values = " ".join(f"{result[f'test_{name}']:8.3f}" for name in scores)
        print(f"{result['method']:>28} {result['train_windows']:8} {values}")


def read_table(path: str) -> np.ndarray:
    """The seven series, standardized by their training part."""
    try:
        if path.startswith(("http://", "https://")):
            path = urllib.request.urlopen(path, timeout=30)
        table = np.genfromtxt(path, delimiter=",", skip_header=1)[:, 1:]
    except (urllib.error.URLError, OSError) as error:
        raise SystemExit(
            "ETTh1.csv cannot be read: download it from "
            "https://github.com/zhouhaoyi/ETDataset and pass its path as "
            f"`--data`. Received: {error}"
        ) from error
    train = table[: PARTS["train"]]
    return ((table - train.mean(axis=0)) / train.std(axis=0)).astype("float32")


def windows(table: np.ndarray, options) -> dict:
    """Past and future at every hour of a part; the past may reach back."""
    parts, end = {}, 0
    for name, hours in PARTS.items():
        start = max(end - options.look_back, 0)
        end += hours
        length = options.look_back + options.horizon
        views = np.lib.stride_tricks.sliding_window_view(
            table[start:end], length, axis=0
        ).transpose(0, 2, 1)
        parts[name] = (
            views[:, : options.look_back],
            views[:, options.look_back :],
        )
    parts["validation"] = spaced(
        parts["validation"], options.validation_windows
    )
    parts["test"] = spaced(parts["test"], options.test_windows)
    return parts


def spaced(part: tuple, count: int | None) -> tuple[np.ndarray, np.ndarray]:
    total = len(part[0])
    chosen = np.linspace(0, total - 1, min(count or total, total)).astype(int)
    return part[0][chosen], part[1][chosen]


def load_source(layers: int) -> keras.Model:
    backbone = keras_hub.models.Llama3Backbone.from_preset(
        keras_reprogram.pretrained.smollm2_preset(),
        num_layers=layers,
        layer_norm_epsilon=1e-5,
    )
    return keras_reprogram.sources.TextSource(backbone, "sequence")


def prototypes(options) -> keras.layers.Layer:
    return keras_reprogram.inputs.TextPrototypes(
        options.prototypes, candidates=options.candidates, seed=options.seed
    )


def ends(options) -> tuple:
    return (
        keras_reprogram.inputs.SeriesReprogrammer(
            (options.look_back, 7), prototypes(options), stride=options.stride
        ),
        keras_reprogram.outputs.ForecastHead(options.horizon),
    )


def without_language_model(source: keras.Model, options) -> keras.Model:
    """The two ends, with nothing of the language model but its words."""
    reprogrammer, head = ends(options)
    reprogrammer.resolve(keras_reprogram.sources.inspect_source(source), source)
    samples = keras.Input(reprogrammer.sample_shape)
    # The language model ends with a normalization of this kind.
    outputs = keras.layers.RMSNormalization()(
        reprogrammer(samples)["embeddings"]
    )
    outputs = reprogrammer.select_outputs(outputs, samples)
    return keras.Model(samples, head(outputs, samples))


def linear_model(options, channels: int = 7, quantiles: int = 1) -> keras.Model:
    """DLinear: a linear map of a moving average, and one of the rest."""
    length = options.look_back
    steps = np.arange(length)[:, None] + np.arange(-12, 13)
    average = np.zeros((length, length), "float32")
    for row_, neighbors in zip(average, steps.clip(0, length - 1)):
        np.add.at(row_, neighbors, 1 / 25)
    samples = keras.Input((length, channels))
    series = ops.transpose(samples, (0, 2, 1))
    trend = ops.matmul(series, average.T)
    first = keras.initializers.Constant(1 / length)
    outputs = keras.layers.Add()(
        [
            keras.layers.Dense(
                options.horizon * quantiles, kernel_initializer=first
            )(part)
            for part in (trend, series - trend)
        ]
    )
    outputs = ops.transpose(outputs, (0, 2, 1))
    if quantiles > 1:
        outputs = ops.reshape(
            outputs, (-1, options.horizon, quantiles, channels)
        )
        outputs = ops.sort(ops.transpose(outputs, (0, 1, 3, 2)), axis=-1)
    return keras.Model(samples, outputs)


def last(past: np.ndarray, period: int, options) -> np.ndarray:
    """The last `period` values, again and again."""
    times = -(-options.horizon // period)
    return np.tile(past[:, -period:], (1, times, 1))[:, : options.horizon]


def trained(
    name: str, model, parts: dict, train, options, loss="mse", score=None
) -> dict:
    """Trains a model; the epoch is the best on the validation windows."""
    linear = name.startswith("DLinear")
    epochs = options.linear_epochs if linear else options.epochs
    train = parts["train"] if train is None else train
    past, future = map(np.ascontiguousarray, train)
    print(f"\n{name}, {len(past)} windows")
    start = time.perf_counter()
    best = keras.callbacks.EarlyStopping(
        patience=epochs, restore_best_weights=True
    )
    common.train(
        model,
        (past, future),
        loss,
        epochs,
        options.batch_size,
        options.learning_rate,
        validation_data=parts["validation"],
        callbacks=[best],
    )
    seconds = time.perf_counter() - start

    def predict(past: np.ndarray) -> np.ndarray:
        return model.predict(past, batch_size=options.batch_size, verbose=0)

    return {
        **(score or row)(name, parts, predict),
        "train_windows": len(past),
        "epochs": epochs,
        "best_epoch": best.best_epoch + 1,
        "trainable_parameters": common.trained_values(model),
        "seconds": seconds,
    }


def row(name: str, parts: dict, predict) -> dict:
    past, future = map(np.ascontiguousarray, parts["test"])
    errors = predict(past) - future
    return {
        "method": name,
        "train_windows": 0,
        "test_windows": len(past),
        "test_mse": float(np.mean(errors**2)),
        "test_mae": float(np.mean(np.abs(errors))),
    }


# === Quantiles of the temperature ===


def temperature_rows(table: np.ndarray, options) -> list[dict]:
    """The last channel, with covariates of the past and known ahead."""
    hours = np.arange(len(table))[:, None]
    angles = 2 * np.pi * hours / np.array([DAY, 7 * DAY])
    calendar = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    parts = windows(
        np.concatenate([table, calendar.astype("float32")], axis=1), options
    )
    alone = {name: inputs(*part, [TEMPERATURE]) for name, part in parts.items()}
    loads = {name: inputs(*part, range(7)) for name, part in parts.items()}
    ahead = {name: inputs(*part, range(11)) for name, part in parts.items()}
    source = load_source(options.layers)
    loss = keras_reprogram.losses.PinballLoss(QUANTILES)

    def time_llm(name: str, data: dict, target: int) -> dict:
        length, channels = data["train"][0].shape[1:]
        model = keras_reprogram.ReprogrammedModel(
            source,
            keras_reprogram.inputs.SeriesReprogrammer(
                (length, channels),
                prototypes(options),
                stride=options.stride,
                missing_values="mask",
            ),
            keras_reprogram.outputs.ForecastHead(
                options.horizon, [target], QUANTILES
            ),
        )
        few = spaced(data["train"], options.windows)
        return trained(name, model, data, few, options, loss, interval_row)

    linear = linear_model(options, 1, len(QUANTILES))
    return [
        past_errors(alone, options),
        trained(
            "DLinear of quantiles",
            linear,
            alone,
            spaced(alone["train"], options.windows),
            options,
            loss,
            interval_row,
        ),
        time_llm("Time-LLM, alone", alone, 0),
        time_llm("and the loads", loads, TEMPERATURE),
        time_llm("and the calendar, known", ahead, TEMPERATURE),
    ]


def inputs(past: np.ndarray, future: np.ndarray, channels) -> tuple:
    """Samples of some channels, and the future of the temperature."""
    chosen = list(channels)
    series = [channel for channel in chosen if channel < 7]
    calendar = [channel for channel in chosen if channel >= 7]
    samples = past[..., series]
    if calendar:
        whole = np.concatenate([past, future], axis=1)
        samples = keras_reprogram.inputs.with_known_future(
            samples, whole[..., calendar]
        )
    return samples, future[..., [TEMPERATURE]]


def past_errors(parts: dict, options) -> dict:
    """The last value, and quantiles of its errors in the training part."""
    past, future = parts["train"]
    errors = np.quantile(future - past[:, -1:], QUANTILES, axis=0)
    errors = np.moveaxis(errors, 0, -1)

    def predict(past: np.ndarray) -> np.ndarray:
        return past[:, -1:, :, None] + errors

    return {
        **interval_row("last value and its errors", parts, predict),
        "train_windows": len(past),
    }


def interval_row(name: str, parts: dict, predict) -> dict:
    past, future = map(np.ascontiguousarray, parts["test"])
    forecast = predict(past)
    low, median, high = np.moveaxis(forecast, -1, 0)
    difference = future[..., None] - forecast
    pinball = np.maximum(
        np.multiply(QUANTILES, difference),
        np.multiply(np.subtract(QUANTILES, 1), difference),
    )
    return {
        "method": name,
        "train_windows": 0,
        "test_windows": len(past),
        "test_mae": float(np.mean(np.abs(median - future))),
        "test_pinball": float(pinball.mean()),
        "test_coverage": float(np.mean((low <= future) & (future <= high))),
        "test_width": float(np.mean(high - low)),
    }


if __name__ == "__main__":
    main()
