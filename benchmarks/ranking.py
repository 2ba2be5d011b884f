"""Do rankings and the log-likelihood ratio predict what training gives?

    pip install keras-reprogram[benchmarks,time-series]
    pip install --no-deps musicnn
    python benchmarks/ranking.py

Candidates are readouts (logits, features, stages) of EfficientNet-Lite0, 1
and 2 on several canvases, of a small network that was trained on other digits,
and, for series, of a network trained on music. The truth is a candidate's
accuracy on test samples after training: a logistic regression whose penalty is
the best one on a fifth of the training samples. Ridge regression, LogME and
the H-score see the training samples alone; Kendall's tau compares their order
of the candidates with that of the truth.

The log-likelihood ratio is compared with the difference between a trained
program with a trained linear map of logits, and the probe of features.

Seconds are those of the processor: run it with `OMP_NUM_THREADS=1`. Each run is
a line of `benchmarks/results/ranking.jsonl`: the command goes on where it was
stopped. Outputs of sources are kept in `output/ranking`.
"""

import argparse
import functools
import itertools
import pathlib
import sys
import time
from typing import Any

import keras
import keras_hub
import numpy as np
from scipy.stats import kendalltau

import keras_reprogram
from keras_reprogram import diagnostics
from keras_reprogram import pretrained
from keras_reprogram.diagnostics.gram import spectrum
from keras_reprogram.diagnostics.passes import planned_passes
from keras_reprogram.diagnostics.program_gain import framed
from keras_reprogram.diagnostics.ranking import SCORES
from keras_reprogram.diagnostics.ranking import scores_of
from keras_reprogram.diagnostics.readouts import READOUTS
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.outputs import logistic_regression

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "examples"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import common  # noqa: E402
import data_sets  # noqa: E402
import rates  # noqa: E402
from runs import Runs  # noqa: E402

RESULTS = pathlib.Path(__file__).parent / "results"
DATA = {
    "digits": data_sets.digits,
    "cells": data_sets.cells,
    "fields": data_sets.fields,
    # Series of cepstra, as images.
    "speakers": lambda: (*rates.speakers(), None),
}
SERIES = ("speakers",)
CANVASES = {"Lite0": (64, 96), "Lite1": (64,), "Lite2": (64,)}
PRESETS = {
    "Lite0": pretrained.efficientnet_lite0_preset,
    "Lite1": pretrained.efficientnet_lite1_preset,
    "Lite2": pretrained.efficientnet_lite2_preset,
}
WAVEFORM = 8000  # half a second
PROGRAMS = ("gaussian", "gradient", "trained")
RATE, BATCH_SIZE = 2e-3, 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(DATA))
    parser.add_argument("--parts", nargs="+", default=["ranking", "gain"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--train", type=int, default=200)
    parser.add_argument("--test", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--canvases", type=int, nargs="+", default=[64, 96])
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    parser.add_argument(
        "--cache", type=pathlib.Path, default=pathlib.Path("output/ranking")
    )
    options = parser.parse_args()
    for folder in (options.output, options.cache):
        folder.mkdir(exist_ok=True, parents=True)
    runs = Runs(options.output / "ranking.jsonl")
    if "ranking" in options.parts:
        for data in options.data:
            for seed in options.seeds:
                rank(runs, data, seed, options)
    if "gain" in options.parts:
        for canvas in options.canvases:
            for seed in options.seeds:
                for data in options.data:
                    compare_gain(runs, data, seed, canvas, options)
    print(report(runs.rows))


# === Data ===


def samples(data: str, options: argparse.Namespace) -> data_sets.Samples:
    """A pool that all draws come from: images, labels and groups."""
    images, labels, groups = DATA[data]()
    count = options.train + options.test
    rows = np.random.default_rng(0).permutation(len(labels))
    if groups is None:
        rows = rows[:count]
        return images[rows], labels[rows], None
    # Enough of each group for either side.
    count = max(options.train, options.test)
    rows = np.concatenate(
        [rows[groups[rows] == name][:count] for name in np.unique(groups)]
    )
    return images[rows], labels[rows], groups[rows]


# === Rankings ===


@functools.cache
def classifier(name: str) -> keras_hub.models.ImageClassifier:
    return keras_hub.models.ImageClassifier.from_preset(PRESETS[name]())


@functools.cache
def network_of_numerals() -> keras.Model:
    """A small network, trained on 8x8 numerals of another collection."""
    images, labels = rates.numerals()
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 1))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    for filters in (16, 32, 64):
        x = keras.layers.Conv2D(filters, 3, 2, "same", activation="relu")(x)
    x = keras.layers.Dense(64, activation="relu")(keras.layers.Flatten()(x))
    model = keras.Model(inputs, keras.layers.Dense(10)(x))
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    images = np.kron(images, np.ones((1, 2, 2, 1), "uint8"))
    model.fit(images, labels, batch_size=32, epochs=15, verbose=0)
    return model


def sources_of(data: str, target_shape: tuple[int, ...]):
    """Sources, and the canvases of each."""
    found = {
        name: (lambda name=name: classifier(name), canvases)
        for name, canvases in CANVASES.items()
    }
    channels = target_shape[-1]
    found["numerals"] = (
        network_of_numerals if channels == 1 else in_color,
        None,
    )
    if data in SERIES:
        found["music"] = (lambda: heard(target_shape), None)
    return found


def in_color() -> keras.Model:
    """The network of numerals on the mean of three channels."""
    inputs = keras.Input((16, 16, 3))
    network = network_of_numerals()
    x = keras.ops.mean(inputs, axis=-1, keepdims=True)
    for layer in network.layers[1:]:
        x = layer(x)
    return keras.Model(inputs, x)


def heard(target_shape: tuple[int, ...]):
    """The music network, on the coefficients one after the other as sound."""
    channels, steps, _ = target_shape
    source = pretrained.musicnn_tagger(WAVEFORM)
    transformation = InputReprogrammer(
        (channels * steps,),
        (WAVEFORM,),
        pattern=None,
        scale=1 / 127.5,
        offset=-1.0,
    )
    return source, transformation


def outputs_of(
    name: str, data: str, options: argparse.Namespace
) -> list[tuple[dict[str, Any], np.ndarray, float]]:
    """Readouts on a pool, kept on disk, and the seconds of a sample."""
    images, labels, _ = samples(data, options)
    build, canvases = sources_of(data, images.shape[1:])[name]
    found = []
    for canvas in canvases or (None,):
        path = options.cache / f"{data}_{name}_{canvas}_{len(labels)}.npz"
        if not path.exists():
            x = images.reshape(len(images), -1) if name == "music" else images
            (plan,) = planned_passes(
                {name: build()}, None if canvas is None else [canvas]
            )
            start = time.process_time()
            arrays, _ = plan.run(
                x,
                labels,
                READOUTS,
                BATCH_SIZE,
                keras.utils.Progbar(None, verbose=0),
            )
            seconds = (time.process_time() - start) / len(labels)
            arrays = {key: a.astype("float32") for key, a in arrays.items()}
            np.savez(path, seconds=seconds, **arrays)
        content = np.load(path)
        for readout in READOUTS:
            if readout in content:
                key = {"source": name, "canvas": canvas, "readout": readout}
                found.append((key, content[readout], float(content["seconds"])))
    return found


def rank(runs: Runs, data: str, seed: int, options: argparse.Namespace) -> None:
    """Scores and trains all candidates of a draw."""
    images, labels, groups = samples(data, options)
    train, test = data_sets.split(
        groups, len(labels), options.train, options.test, seed
    )
    for name in sources_of(data, images.shape[1:]):
        settings = {"kind": "candidate", "data": data, "seed": seed}
        settings.update(source=name, train=options.train)
        for key, features, seconds in outputs_of(name, data, options):
            if runs.has({**settings, **key}):
                continue
            features = features.astype("float64")
            start = time.process_time()
            scores = scores_of(features[train], labels[train], 5)
            scoring = time.process_time() - start
            start = time.process_time()
            accuracy = trained_probe(
                features[train], labels[train], features[test], labels[test]
            )
            training = time.process_time() - start
            runs.add(
                {
                    **settings,
                    **key,
                    "num_features": features.shape[1],
                    **{name: round(scores[name], 5) for name in SCORES},
                    "accuracy": accuracy,
                    "pass_seconds": round(seconds * len(train), 2),
                    "scoring_seconds": round(scoring, 3),
                    "training_seconds": round(training, 3),
                }
            )


def trained_probe(x, y, test_x, test_y) -> float:
    """Logistic regression with the penalty that is best on a fifth."""
    classes = int(max(y.max(), test_y.max())) + 1
    # The same regression on fewer columns: those that the samples span.
    mean = x.mean(axis=0)
    values, axes = spectrum(x - mean)
    share = len(values) / x.shape[1]
    test_x = (test_x - mean) @ ((x - mean).T @ (axes / np.sqrt(values)))
    x = axes * np.sqrt(values)
    held_out = np.arange(len(y)) % 5 == 4

    def score(regularization: float, rows, test_rows, test_labels) -> float:
        weights, bias = logistic_regression(
            x[rows], y[rows], classes, regularization * share
        )
        found = (test_rows @ weights + bias).argmax(axis=1)
        return common.accuracy(test_labels, found)

    best = max(
        common.REGULARIZATIONS,
        key=lambda r: score(r, ~held_out, x[held_out], y[held_out]),
    )
    return score(best, np.arange(len(y)), test_x, test_y)


# === The log-likelihood ratio ===


def compare_gain(
    runs: Runs, data: str, seed: int, canvas: int, options: argparse.Namespace
) -> None:
    """The ratio, and the accuracies of a trained program and of a probe."""
    settings = {"kind": "gain", "data": data, "seed": seed, "canvas": canvas}
    settings.update(train=options.train, epochs=options.epochs)
    if runs.has(settings):
        return
    images, labels, groups = samples(data, options)
    train, test = data_sets.split(
        groups, len(labels), options.train, options.test, seed
    )
    source = classifier("Lite0")
    keras.utils.set_random_seed(seed)
    model = keras_reprogram.ReprogrammedModel(
        source,
        framed((canvas, canvas, 3), images),
        keras_reprogram.LabelMapper(int(labels.max()) + 1),
        compile=False,
    )
    row: dict[str, Any] = dict(settings)
    for program in PROGRAMS:
        start = time.process_time()
        found = diagnostics.program_gain(
            model, images[train], labels[train], program, seed=seed
        )
        row[program] = round(found.gain, 4)
        row[f"{program}_seconds"] = round(time.process_time() - start, 1)
    row["probe_evidence"] = round(found.probe_evidence, 4)
    steps = options.epochs * -(-len(train) // BATCH_SIZE)
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(RATE, steps)
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    start = time.process_time()
    model.fit(
        images[train],
        labels[train],
        batch_size=BATCH_SIZE,
        epochs=options.epochs,
        verbose=0,
    )
    row["training_seconds"] = round(time.process_time() - start, 1)
    found = diagnostics.program_gain(
        model, images[train], labels[train], "current"
    )
    row["current"] = round(found.gain, 4)
    predictions = model.predict(images[test], batch_size=100, verbose=0)
    row["program_accuracy"] = common.accuracy(
        labels[test], predictions.argmax(axis=1)
    )
    features = next(
        features
        for key, features, _ in outputs_of("Lite0", data, options)
        if (key["canvas"], key["readout"]) == (canvas, "features")
    )
    row["probe_accuracy"] = trained_probe(
        features[train].astype("float64"),
        labels[train],
        features[test].astype("float64"),
        labels[test],
    )
    runs.add(row)


# === Tables ===


def report(rows: list[dict[str, Any]]) -> str:
    candidates = [row for row in rows if row["kind"] == "candidate"]
    gains = [row for row in rows if row["kind"] == "gain"]
    parts = [rankings_table(candidates)]
    for readout in READOUTS:
        mine = [row for row in candidates if row["readout"] == readout]
        parts.append(f"Of {readout} alone:\n\n{rankings_table(mine)}")
    parts += [costs(candidates, gains), gains_table(gains)]
    return "\n\n".join(parts)


def rankings_table(candidates: list[dict[str, Any]]) -> str:
    """Kendall's tau over draws, and the accuracy lost by the first choice.

    The last column compares the truth with that of other draws: no score of
    one draw is likely to predict it better.
    """
    header = ["data", "candidates", "draws", "truth", *SCORES, "other draws"]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for data in dict.fromkeys(row["data"] for row in candidates):
        mine = [row for row in candidates if row["data"] == data]
        seeds = sorted({row["seed"] for row in mine})
        draws = [[r for r in mine if r["seed"] == seed] for seed in seeds]
        draws = [draw for draw in draws if len(draw) == len(draws[0])]
        truths = [[row["accuracy"] for row in draw] for draw in draws]
        cells = [data, str(len(draws[0])), str(len(draws))]
        cells.append(f"{np.min(truths):.3f} to {np.max(truths):.3f}")
        for score in SCORES:
            taus = [
                tau([row[score] for row in draw], truth)
                for draw, truth in zip(draws, truths)
            ]
            lost = np.mean([regret(draw, score) for draw in draws])
            cells.append(
                f"{np.mean(taus):.2f} ± {np.std(taus):.2f} ({lost:.3f})"
            )
        others = [tau(*pair) for pair in itertools.combinations(truths, 2)]
        cells.append(f"{np.mean(others):.2f}" if others else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def tau(first: list[float], second: list[float]) -> float:
    return float(kendalltau(first, second).statistic)


def costs(candidates: list[dict[str, Any]], gains: list[dict[str, Any]]) -> str:
    """Seconds of scores and of training, as shares."""
    passes = {
        (row["data"], row["seed"], row["source"], row["canvas"]): row[
            "pass_seconds"
        ]
        for row in candidates
    }
    computed = sum(passes.values())
    scored = sum(row["scoring_seconds"] for row in candidates)
    trained = sum(row["training_seconds"] for row in candidates)
    lines = [
        f"Passes {computed:.0f} s, scores {scored:.1f} s, probes {trained:.0f} "
        f"s: scores are {scored / trained:.0%} of training all probes, and "
        f"with the passes {(computed + scored) / (computed + trained):.0%}."
    ]
    seconds = sum(row["training_seconds"] for row in gains)
    for program in PROGRAMS if gains else ():
        spent = sum(row[f"{program}_seconds"] for row in gains)
        lines.append(
            f"The ratio of a {program} program takes {spent / seconds:.0%} of "
            "training one."
        )
    return "\n".join(lines)


def gains_table(gains: list[dict[str, Any]]) -> str:
    header = ["data", "canvas", "draw", *PROGRAMS, "current"]
    header += ["program", "probe"]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for row in gains:
        cells = [row["data"], str(row["canvas"]), str(row["seed"])]
        cells += [f"{row[name]:+.3f}" for name in (*PROGRAMS, "current")]
        cells += [
            f"{row[f'{name}_accuracy']:.3f}" for name in ("program", "probe")
        ]
        lines.append("| " + " | ".join(cells) + " |")
    for name in (*PROGRAMS, "current"):
        right = sum(
            (row[name] > 0) == (row["program_accuracy"] > row["probe_accuracy"])
            for row in gains
        )
        lines.append(f"\nSign of {name}: right in {right} of {len(gains)}.")
    return "\n".join(lines)


def regret(draw: list[dict[str, Any]], score: str) -> float:
    """What is lost by the candidate that a score puts first."""
    chosen = max(draw, key=lambda row: row[score])
    return max(row["accuracy"] for row in draw) - chosen["accuracy"]


if __name__ == "__main__":
    main()
