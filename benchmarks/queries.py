"""Accuracy against the number of queries, for every estimator and basis.

    python benchmarks/queries.py

EfficientNet-Lite0, 300 handwritten digits, and a Bayesian label map (BLM+),
whose statistics cost nothing: what is learned is the program alone, and it is
learned from the source's outputs. The estimators share one basis, a grid of
8x8 cells, the bases one estimator. BlackVIP's coordinator looks at the samples
through an encoder of its own, which costs no queries. White-box training, by
the gradient, is the ceiling, and a linear probe what 300 queries are enough
for. Accuracies are of the last epoch's program on digits that nothing else has
seen.

A query is one input that the source is asked about. In white-box training each
sample counts once a step. Runs that the result file holds are not made again.
"""

import argparse
import json
import pathlib
import sys
import time

import keras
import numpy as np

import keras_reprogram
from keras_reprogram.black_box import CMAES
from keras_reprogram.black_box import SPSA
from keras_reprogram.black_box import OneSided
from keras_reprogram.black_box import PowerDecay
from keras_reprogram.black_box import TwoSided
from keras_reprogram.inputs import CoordinatorPattern
from keras_reprogram.inputs import Cosine
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import LowRank
from keras_reprogram.inputs import UniversalPattern

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "examples"))

import common  # noqa: E402

RESULTS = pathlib.Path(__file__).parent / "results"
SMOOTHING = 0.05


def adam(rate: float = 0.02) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(rate)


def gradient_correction() -> keras.optimizers.Optimizer:
    """BlackVIP's look-ahead momentum and falling rate."""
    return keras.optimizers.SGD(
        PowerDecay(0.5, exponent=0.4), momentum=0.9, nesterov=True
    )


def slow_adam() -> keras.optimizers.Optimizer:
    """For a program whose values are the weights of a network."""
    return adam(1e-3)


def evolution() -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(1.0)


def coordinator() -> CoordinatorPattern:
    """Prompts decoded from what a network of the user's own says."""
    features = keras_reprogram.sources.features(common.load_classifier(None))
    canvas = keras.Input((None, None, 3))
    # The units that the package's preprocessor makes of pixels.
    outputs = features(keras.layers.Rescaling(255 / 128, -127 / 128)(canvas))
    encoder = keras_reprogram.sources.FrozenSource(keras.Model(canvas, outputs))
    return CoordinatorPattern(encoder, strength=0.1)


TWO_SIDED = TwoSided(5, SMOOTHING)
# Estimator, basis (or what makes a program) and optimizer of each row.
ROWS = {
    "one-sided": (OneSided(10, SMOOTHING), Grid(8), adam),
    "two-sided": (TWO_SIDED, Grid(8), adam),
    "two-sided, orthogonal": (
        TwoSided(5, SMOOTHING, orthogonal=True),
        Grid(8),
        adam,
    ),
    "SPSA": (SPSA(5, SMOOTHING), Grid(8), adam),
    "SPSA-GC": (SPSA(1, SMOOTHING), Grid(8), gradient_correction),
    "CMA-ES": (CMAES(10, SMOOTHING, points_per_batch=1), Grid(8), evolution),
    "no basis": (TWO_SIDED, None, adam),
    "cosines": (TWO_SIDED, Cosine(8), adam),
    "low rank": (TWO_SIDED, LowRank(2), adam),
    "coordinator": (TwoSided(5, 0.01), coordinator, slow_adam),
    "white box": (None, Grid(8), adam),
    "white box, no basis": (None, None, adam),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=int, default=40_000)
    parser.add_argument("--canvas", type=int, default=64)
    parser.add_argument("--train", type=int, default=300)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--batch-size", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--rows", nargs="+", default=list(ROWS))
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    options.output.mkdir(exist_ok=True, parents=True)
    classifier = common.load_classifier(None)
    path = options.output / "queries.json"
    settings = common.settings(options, "output", "rows", "seeds")
    rows, probes = [], {}
    if path.exists():
        before = json.loads(path.read_text())
        if before["settings"] != settings:
            raise SystemExit(f"{path} holds runs of other settings.")
        rows, probes = before["rows"], before["linear_probe"]
    done = {(row["method"], row["seed"]) for row in rows}
    for seed in options.seeds:
        train, test = split(options, seed)
        shapes = (28, 28, 1), (options.canvas, options.canvas, 3)
        if str(seed) not in probes:
            probe = common.linear_probe(
                classifier, shapes[1], train, test, 10, common.accuracy
            )
            probes[str(seed)] = probe["test_accuracy"]
        print(f"linear probe {probes[str(seed)]:.3f}", flush=True)
        for name in options.rows:
            if (name, seed) in done:
                continue
            keras.utils.set_random_seed(seed)
            row = run(name, classifier, shapes, train, test, options)
            rows.append({"method": name, "seed": seed, **row})
            print(
                f"{name:24} {row['parameters']:6} values "
                f"{row['queries'][-1]:7} queries "
                f"{row['accuracy'][0]:.3f} -> {row['accuracy'][-1]:.3f} "
                f"{row['seconds']:6.0f} s",
                flush=True,
            )
            common.write_benchmark(
                path,
                "queries.py",
                settings=settings,
                linear_probe=probes,
                rows=rows,
            )
    probe = float(np.mean(list(probes.values())))
    draw(rows, probe, options.output / "queries.png")


def split(options, seed: int):
    images, labels = common.digits()
    order = np.random.default_rng(seed).permutation(len(labels))
    train = order[: options.train]
    test = order[options.train : options.train + options.test]
    return (images[train], labels[train]), (images[test], labels[test])


class Curve(keras.callbacks.Callback):
    """Test accuracy at the start, every few queries, and at the end."""

    def __init__(self, test, per_epoch: int, every: int) -> None:
        super().__init__()
        self.test, self.per_epoch, self.every = test, per_epoch, every
        self.queries, self.accuracy = [], []

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.note(0)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        asked = (epoch + 1) * self.per_epoch
        last = epoch + 1 == self.params["epochs"]
        if last or asked - self.queries[-1] >= self.every:
            self.note(asked)

    def note(self, queries: int) -> None:
        images, labels = self.test
        predictions = self.model.predict(images, batch_size=250, verbose=0)
        self.queries.append(queries)
        self.accuracy.append(
            common.accuracy(labels, predictions.argmax(axis=1))
        )


def run(name, classifier, shapes, train, test, options) -> dict:
    estimator, basis, optimizer = ROWS[name]
    pattern = basis() if callable(basis) else UniversalPattern(basis=basis)
    model = keras_reprogram.ReprogrammedModel(
        classifier,
        InputReprogrammer(*shapes, pattern=pattern),
        keras_reprogram.LabelMapper(10, "bayesian_plus"),
    )
    model.compile(
        optimizer(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        gradient_estimator=estimator,
    )
    points = 1 if estimator is None else estimator.num_points
    per_epoch = points * len(train[0])
    curve = Curve(test, per_epoch, options.budget // 12)
    # A generation of CMA-ES is compared on samples of its own kind: all.
    whole = isinstance(estimator, CMAES)
    start = time.perf_counter()
    model.fit(
        *train,
        batch_size=len(train[0]) if whole else options.batch_size,
        # What a gradient gets no better from has its end there.
        epochs=min(options.budget // per_epoch, 60 if points == 1 else 10**6),
        verbose=0,
        callbacks=[curve],
    )
    return {
        "parameters": common.trained_values(model.input_reprogrammer),
        "queries": curve.queries,
        "accuracy": curve.accuracy,
        "seconds": time.perf_counter() - start,
    }


def draw(rows: list[dict], probe: float, path: pathlib.Path) -> None:
    pyplot = common.pyplot()
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.5), sharey=True)
    names = list(dict.fromkeys(row["method"] for row in rows))
    bases = {
        "no basis",
        "cosines",
        "low rank",
        "coordinator",
        "white box, no basis",
    }
    for axis, title, shown in (
        (axes[0], "estimators, on a grid of 8x8", set(names) - bases),
        (
            axes[1],
            "bases, by two-sided differences",
            {*bases, "two-sided", "white box"},
        ),
    ):
        for name in names:
            if name not in shown:
                continue
            mine = [row for row in rows if row["method"] == name]
            accuracy = np.mean([row["accuracy"] for row in mine], axis=0)
            style = "--" if name.startswith("white") else "-"
            axis.plot(mine[0]["queries"], accuracy, style, label=name)
        axis.axhline(probe, color="gray", linewidth=0.8, label="linear probe")
        axis.set(xlabel="queries", ylabel="test accuracy", title=title)
        axis.legend(fontsize=8)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
