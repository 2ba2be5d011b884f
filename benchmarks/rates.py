"""Which learning rate serves which output mapping.

    pip install keras-reprogram[benchmarks,time-series]
    python benchmarks/rates.py

`compile(optimizer="auto")` takes its rates from here. EfficientNet-Lite0 at
64x64, a pattern everywhere, 300 samples, ten epochs in batches of 32, and Adam
with a rate that falls to zero along a cosine, from each of several starts, or
with its constant default. The sets are others than those that the README's
tables report: numerals of another collection, outlines of leaves, and the
cepstra of speakers. Numbers are predicted for numerals and leaves that were
turned by an angle and for the fuel that a car takes, binary targets for
properties of numerals and for each species and each speaker against the
others, with 30 % of the labels missing. The score is that of the last epoch on
samples that nothing else has seen: the accuracy, R squared, or the area under
the ROC curve, averaged over the targets.

With one seed the rates around the best one are tried; the best `--best` of
each output mapping, and Adam's default, with all seeds. `--data digits` is the
check on the README's digits. Each run is a line of
`benchmarks/results/rates.jsonl`: the command goes on where it was stopped.
"""

import argparse
import dataclasses
import functools
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import keras
import keras_hub
import numpy as np
from runs import Runs
from sklearn.metrics import r2_score
from sklearn.metrics import roc_auc_score

import keras_reprogram
from keras_reprogram.inputs import FeatureMosaic
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.losses import MaskedBinaryCrossentropy
from keras_reprogram.outputs import RegressionHead

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "examples"))

import common  # noqa: E402

RESULTS = pathlib.Path(__file__).parent / "results"
BATCH_SIZE, CANVAS = 32, 64
DEFAULT = "default"  # Adam with its constant default of 1e-3
RATES = (5e-4, 2e-3, 5e-3, 2e-2, 5e-2, 1e-1)
MAPPINGS = (
    "linear",
    "identity",
    "random",
    "frequency",
    "iterative",
    "bayesian_plus",
)
UNKNOWN_LABELS = 0.3
LARGEST_ANGLE = 45.0


def numerals() -> tuple[np.ndarray, np.ndarray]:
    """Handwritten numerals of 8x8 pixels (UCI), and which they are."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8, 1) * 255 / 16).round()
    return images.astype("uint8"), labels


def series_of(name: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Series `[channels, steps]` of a set that aeon ships, and classes."""
    folder = common.package_folder("aeon") / "datasets" / "data" / name
    series, labels = [], []
    for part in ("TRAIN", "TEST"):
        lines = (folder / f"{name}_{part}.ts").read_text().splitlines()
        for line in lines[lines.index("@data") + 1 :]:
            *channels, label = line.split(":")
            series.append(
                np.array([np.fromstring(c, sep=",") for c in channels])
            )
            labels.append(int(label))
    return series, np.unique(labels, return_inverse=True)[1]


def leaf(outline: np.ndarray, angle: float = 0.0, size: int = 48) -> np.ndarray:
    """A silhouette `[size, size, 1]` of distances around the center."""
    rows, columns = (np.mgrid[:size, :size] + 0.5) * 2 / size - 1
    turns = (np.arctan2(rows, columns) / (2 * np.pi) + angle / 360) % 1
    radii = np.interp(
        turns, np.linspace(0, 1, len(outline)), 0.5 + 0.15 * outline
    )
    inside = (radii - np.hypot(rows, columns)) * size / 2 + 0.5
    return (inside.clip(0, 1) * 255).round().astype("uint8")[..., None]


def leaves() -> tuple[np.ndarray, np.ndarray]:
    """Silhouettes of the leaves of six species (OSULeaf)."""
    series, labels = series_of("OSULeaf")
    return np.stack([leaf(outline) for (outline,) in series]), labels


def speakers() -> tuple[np.ndarray, np.ndarray]:
    """Cepstra of two vowels by nine speakers, 12 coefficients in time."""
    series, labels = series_of("JapaneseVowels")
    images = np.zeros((len(series), 12, 29), "float32")
    for image, cepstra in zip(images, series):
        image[:, : cepstra.shape[1]] = cepstra
    images = (127.5 + 100 * images).clip(0, 255).round()
    return images[..., None].astype("uint8"), labels


def turned_numerals() -> tuple[np.ndarray, np.ndarray]:
    from scipy.ndimage import rotate

    images, _ = numerals()
    angles = np.random.default_rng(0).uniform(-1, 1, len(images))
    angles *= LARGEST_ANGLE
    images = [
        rotate(np.kron(image[..., 0], np.ones((4, 4))), angle, reshape=False)
        for image, angle in zip(images, angles)
    ]
    return np.stack(images).clip(0, 255).astype("uint8")[..., None], angles


def turned_leaves() -> tuple[np.ndarray, np.ndarray]:
    series, _ = series_of("OSULeaf")
    angles = np.random.default_rng(0).uniform(-1, 1, len(series))
    angles *= LARGEST_ANGLE
    images = [leaf(outline, angle) for (outline,), angle in zip(series, angles)]
    return np.stack(images), angles


def fuel() -> tuple[np.ndarray, np.ndarray]:
    """Standardized properties of cars, and their miles a gallon."""
    from mlxtend.data import autompg_data

    table, targets = autompg_data()
    table = table[:, :7]  # the last column holds no numbers
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    return table.clip(-3, 3).astype("float32"), targets


def properties_of_numerals() -> tuple[np.ndarray, np.ndarray]:
    """Even, above four, with a closed loop, prime."""
    images, labels = numerals()
    columns = (
        labels % 2 == 0,
        labels > 4,
        np.isin(labels, [0, 6, 8, 9]),
        np.isin(labels, [2, 3, 5, 7]),
    )
    return images, np.stack(columns, axis=1).astype("float32")


def against_the_others(
    load: Callable[[], tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    images, labels = load()
    return images, np.eye(labels.max() + 1, dtype="float32")[labels]


@dataclasses.dataclass
class Kind:
    """A kind of target: its data sets, its loss and its score."""

    data: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]]
    loss: keras.losses.Loss
    score: Callable[[np.ndarray, np.ndarray], float]


CLASSES = Kind(
    {"numerals": numerals, "leaves": leaves, "speakers": speakers},
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    lambda labels, outputs: common.accuracy(labels, outputs.argmax(axis=1)),
)
NUMBERS = Kind(
    {
        "turned numerals": turned_numerals,
        "turned leaves": turned_leaves,
        "fuel": fuel,
    },
    keras.losses.MeanSquaredError(),
    r2_score,
)
BINARY = Kind(
    {
        "properties of numerals": properties_of_numerals,
        "each species": lambda: against_the_others(leaves),
        "each speaker": lambda: against_the_others(speakers),
    },
    MaskedBinaryCrossentropy(),
    roc_auc_score,
)
# The README's set, for a check alone.
DIGITS = dataclasses.replace(CLASSES, data={"digits": common.digits})
OUTPUTS = {
    **dict.fromkeys(MAPPINGS, CLASSES),
    "regression": NUMBERS,
    "multi_label": BINARY,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outputs", nargs="+", default=list(OUTPUTS))
    parser.add_argument("--data", choices=("others", "digits"))
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4, 5])
    parser.add_argument("--best", type=int, default=2)
    parser.add_argument("--train", type=int, default=300)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--preset")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    if options.quick:
        options.train, options.test, options.epochs = 64, 64, 1
        options.rates, options.seeds = options.rates[:2], options.seeds[:1]
    options.output.mkdir(exist_ok=True, parents=True)
    runs = RunsOfRates(options.output / "rates.jsonl", options)
    if options.data == "digits":
        for seed in options.seeds:
            for output in options.outputs:
                for rate in (DEFAULT, *options.rates):
                    runs.run(output, DIGITS, "digits", rate, seed)
    else:
        chosen(runs, options)
    print(report(runs.rows, options))


def chosen(runs: "RunsOfRates", options: argparse.Namespace) -> None:
    """Rates around the best one with one seed, then the best with all."""
    for output in options.outputs:
        climb(runs, output, options)
    for output in options.outputs:
        best = by_score(runs, output, options)[: options.best]
        for data in OUTPUTS[output].data:
            for seed in options.seeds[1:]:
                for rate in (DEFAULT, *best):
                    runs.run(output, OUTPUTS[output], data, rate, seed)


def climb(
    runs: "RunsOfRates", output: str, options: argparse.Namespace
) -> None:
    """Tries rates until both neighbors of the best one have been tried."""
    rates = sorted(options.rates)
    start = len(rates) // 2
    wanted: set[float | str] = {DEFAULT, *rates[start - 1 : start + 1]}
    while wanted:
        for data in OUTPUTS[output].data:
            for rate in sorted(wanted, key=str):
                runs.run(output, OUTPUTS[output], data, rate, options.seeds[0])
        best = rates.index(by_score(runs, output, options)[0])
        tried = {row["rate"] for row in runs.rows if row["output"] == output}
        wanted = set(rates[max(best - 1, 0) : best + 2]) - tried


def by_score(
    runs: "RunsOfRates", output: str, options: argparse.Namespace
) -> list[float]:
    """The rates that all sets were tried with, the best on average first."""
    kind, seed = OUTPUTS[output], options.seeds[0]
    scores: dict[float, list[float]] = {}
    for row in runs.rows:
        if row["data"] in kind.data and row["rate"] != DEFAULT:
            if (row["output"], row["seed"]) == (output, seed):
                scores.setdefault(row["rate"], []).append(row["score"])
    return sorted(scores, key=lambda rate: -np.mean(scores[rate]))


class RunsOfRates(Runs):
    """Finished runs, and those that are still to be made."""

    def __init__(self, path: pathlib.Path, options: argparse.Namespace):
        super().__init__(path)
        self.options = options
        self.key: tuple[str, str] | None = None

    def run(
        self, output: str, kind: Kind, data: str, rate: float | str, seed: int
    ) -> None:
        settings = {
            "output": output,
            "data": data,
            "rate": rate,
            "seed": seed,
            "train": self.options.train,
            "epochs": self.options.epochs,
        }
        if self.has(settings):
            return
        if self.key != (output, data):
            self.key = output, data
            self.trained = Trained(*self.key, kind, self.options.preset)
        self.add({**settings, **self.trained.run(rate, seed, self.options)})


@functools.cache
def load_source(preset: str | None) -> keras_hub.models.ImageClassifier:
    """One frozen source for all runs."""
    return common.load_classifier(preset)


@functools.cache
def loaded(load: Callable[[], tuple[np.ndarray, np.ndarray]]):
    return load()


class CosineDecay(keras.callbacks.Callback):
    """The schedule of that name, in a model that is compiled once."""

    def __init__(self, rate: float, steps: int) -> None:
        super().__init__()
        self.rate, self.steps, self.step = rate, steps, 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        turn = np.pi * self.step / self.steps
        self.model.optimizer.learning_rate = self.rate * (1 + np.cos(turn)) / 2
        self.step += 1


def new_model(
    output: str, target_shape: tuple[int, ...], labels: Any, preset: str | None
) -> keras_reprogram.ReprogrammedModel:
    return keras_reprogram.ReprogrammedModel(
        load_source(preset),
        input_reprogrammer(target_shape),
        label_mapper(output, labels),
    )


class Trained:
    """A model that is compiled and traced once, and trained many times."""

    def __init__(self, output: str, data: str, kind: Kind, preset: str | None):
        self.samples, self.labels = loaded(kind.data[data])
        self.arguments = output, self.samples.shape[1:], self.labels, preset
        self.model, self.kind = new_model(*self.arguments), kind
        self.model.compile("adam", kind.loss)
        self.model.optimizer.build(self.model.trainable_variables)

    def run(
        self, rate: float | str, seed: int, options: argparse.Namespace
    ) -> dict[str, Any]:
        draws = np.random.default_rng(seed)
        order = draws.permutation(len(self.labels))
        train = order[: options.train]
        test = order[options.train : options.train + options.test]
        train_labels = self.labels[train]
        if self.kind is BINARY:
            unknown = draws.random(train_labels.shape) < UNKNOWN_LABELS
            train_labels = np.where(unknown, np.nan, train_labels)
        keras.utils.set_random_seed(seed)
        self.model.set_weights(new_model(*self.arguments).get_weights())
        for variable in self.model.optimizer.variables:
            variable.assign(np.zeros(variable.shape))
        self.model.optimizer.learning_rate = 1e-3
        steps = options.epochs * -(-len(train) // BATCH_SIZE)
        start = time.perf_counter()
        history = self.model.fit(
            self.samples[train],
            train_labels,
            batch_size=BATCH_SIZE,
            epochs=options.epochs,
            verbose=0,
            callbacks=[] if rate == DEFAULT else [CosineDecay(rate, steps)],
        ).history
        seconds = time.perf_counter() - start
        outputs = self.model.predict(
            self.samples[test], batch_size=len(test), verbose=0
        )
        return {
            "score": round(
                float(self.kind.score(self.labels[test], outputs)), 4
            ),
            "loss": round(history["loss"][-1], 4),
            "test": len(test),
            "seconds": round(seconds, 1),
            "backend": keras.config.backend(),
        }


def input_reprogrammer(target_shape: tuple[int, ...]) -> InputReprogrammer:
    shapes = {
        "target_shape": target_shape,
        "source_shape": (CANVAS, CANVAS, 3),
    }
    if len(target_shape) > 1:
        return InputReprogrammer(**shapes)
    placement = FeatureMosaic(inner_size=CANVAS * 3 // 4)
    return InputReprogrammer(**shapes, placement=placement, value_range=(-3, 3))


def label_mapper(output: str, labels: np.ndarray) -> keras.layers.Layer:
    if output == "regression":
        return RegressionHead(num_outputs=1)
    if output == "multi_label":
        return keras_reprogram.LabelMapper(labels.shape[1], multi_label=True)
    return keras_reprogram.LabelMapper(int(labels.max()) + 1, output)


def report(rows: list[dict[str, Any]], options: argparse.Namespace) -> str:
    """A table: the mean score, and the spread over seeds, of each rate."""
    rates = (DEFAULT, *sorted({r["rate"] for r in rows} - {DEFAULT}))
    lines = [
        "| output | data | seeds | " + " | ".join(map(str, rates)) + " |",
        "|---|---|---|" + "---:|" * len(rates),
    ]
    groups = dict.fromkeys((row["output"], row["data"]) for row in rows)
    for output, data in groups:
        mine = [r for r in rows if (r["output"], r["data"]) == (output, data)]
        cells = []
        for rate in rates:
            scores = [r["score"] for r in mine if r["rate"] == rate]
            spread = f" ± {np.std(scores):.3f}" if len(scores) > 1 else ""
            cells.append(f"{np.mean(scores):.3f}{spread}" if scores else "")
        seeds = len({row["seed"] for row in mine})
        lines.append(
            f"| {output} | {data} | {seeds} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
