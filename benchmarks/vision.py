"""Every way to reprogram an image classifier, on three sets of pictures.

    python benchmarks/vision.py

One frozen source, EfficientNet-Lite0, and one budget for every method: the
same samples, epochs and batches, Adam with a cosine schedule, and learning
rates that are fixed beforehand: one where a label map is trained, a larger one
where the program has to do all the work, a smaller one for fine-tuning. Only
EVP has its own optimizer, the rows called little data, which start from a
probe, have their own settings (`common.model_from_probe`), and the rows called
longer three times the epochs. Little data, and the fine-tuning that is called
augmented, see samples shifted and, where a mirrored one is a sample of the same
class, flipped. Accuracies are of the last epoch on samples that nothing else
has seen. Finished runs are kept in
`benchmarks/results/vision.json`: the command goes on where it was stopped.
"""

import argparse
import functools
import json
import pathlib
import sys
import time
from collections.abc import Callable

import keras
import keras_hub
import numpy as np

import keras_reprogram
from keras_reprogram import sources
from keras_reprogram.inputs import ConvolutionPattern
from keras_reprogram.inputs import CoordinatorPattern
from keras_reprogram.inputs import Frame
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import LowRank
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import Patch
from keras_reprogram.inputs import RandomPatchPattern
from keras_reprogram.inputs import RandomShift
from keras_reprogram.inputs import SampleMaskedPattern
from keras_reprogram.inputs import ScaledPad
from keras_reprogram.inputs import UniversalPattern

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "examples"))

import common  # noqa: E402
import data_sets  # noqa: E402

RESULTS = pathlib.Path(__file__).parent / "results"
BATCH_SIZE = 32
LONGER = 3  # times as many epochs
RATE, RATE_OF_FIXED_MAPS, RATE_OF_FINE_TUNING = 2e-3, 1e-2, 1e-4


DATA = {
    "digits": (data_sets.digits, 300, 2000),
    "cells": (data_sets.cells, 300, 2000),
    "fields": (data_sets.fields, 300, 2000),
}
# A cell or a field is one from either side; a digit is not.
SYMMETRIC = ("cells", "fields")


def inputs(canvas: int) -> dict[str, Callable[..., InputReprogrammer]]:
    """The input transformations, the papers' sizes scaled to the canvas."""

    def of(pixels: int) -> int:
        return max(round(pixels * canvas / 224), 1)

    return {
        "universal (default)": InputReprogrammer,
        "tanh outside": lambda **k: InputReprogrammer(
            placement=Pad(of(128)), pattern="outside", **k
        ),
        "adversarial reprogramming": lambda **k: InputReprogrammer(
            placement=Pad(of(128)),
            pattern="outside",
            normalize_first=True,
            **k,
        ),
        "trainable layers": lambda **k: InputReprogrammer(
            pattern=ConvolutionPattern(3), **k
        ),
        "VP frame": lambda **k: InputReprogrammer(
            pattern=unbounded(Frame(of(30)), initializer="random_normal"),
            normalize_first=True,
            **k,
        ),
        "VP patch": lambda **k: InputReprogrammer(
            pattern=unbounded(Patch(of(90)), initializer="random_normal"),
            normalize_first=True,
            **k,
        ),
        "VP random patch": lambda **k: InputReprogrammer(
            pattern=RandomPatchPattern(of(90)), normalize_first=True, **k
        ),
        "EVP": lambda **k: InputReprogrammer(
            placement=Pad(of(164)), pattern=unbounded("outside"), **k
        ),
        "ILM-VP": lambda **k: InputReprogrammer(
            placement=Pad(of(128)),
            pattern=UniversalPattern("outside", activation="sigmoid"),
            **k,
        ),
        "AutoVP": lambda **k: InputReprogrammer(
            placement=ScaledPad(of(128)),
            pattern=UniversalPattern(activation="sigmoid"),
            **k,
        ),
        "SMM": lambda **k: InputReprogrammer(
            pattern=SampleMaskedPattern(), **k
        ),
        "BlackVIP": lambda **k: InputReprogrammer(
            pattern=CoordinatorPattern(strength=0.1), clip=True, **k
        ),
        "watermark": lambda **k: InputReprogrammer(
            pattern=unbounded("everywhere"), **k
        ),
        "overlaid": lambda **k: InputReprogrammer(
            placement=Pad(of(128)), pattern="everywhere", **k
        ),
        "low rank": lambda **k: InputReprogrammer(
            pattern=unbounded("everywhere", basis=LowRank(4)), **k
        ),
        "grid of 8x8": lambda **k: InputReprogrammer(
            pattern=UniversalPattern(basis=Grid(8)), **k
        ),
    }


unbounded = functools.partial(UniversalPattern, activation=None)


# Name of a row: its input transformation and its label map.
MAPS = {
    **{name: (name, "linear") for name in inputs(224)},
    "random map": ("universal (default)", "random"),
    "FLM": ("universal (default)", "frequency"),
    "ILM": ("universal (default)", "iterative"),
    "BLM": ("universal (default)", "bayesian"),
    "BLM+": ("universal (default)", "bayesian_plus"),
    "ILM-VP, ILM": ("ILM-VP", "iterative"),
    "SMM, ILM": ("SMM", "iterative"),
    "SMM, BLM+": ("SMM", "bayesian_plus"),
}
# Logistic regressions, and what they look at.
PROBES = {
    "linear probe": "logits",
    "probe of features": "features",
    "probe of stages": "stages",
}
# Patterns and maps from a probe: the source, and how long they are trained.
FROM_PROBES = {
    "little data": ("logits", 1),
    "little data, features": ("features", 1),
    "little data, features, longer": ("features", LONGER),
    "little data, stages": ("stages", 1),
    "little data, stages, longer": ("stages", LONGER),
}
# Fine-tuning: what the last layer looks at, whether the samples are augmented,
# and how long it takes.
FINE_TUNING = {
    "fine-tuning": ("logits", False, 1),
    "fine-tuning, longer": ("logits", False, LONGER),
    "fine-tuning, augmented": ("logits", True, 1),
    "fine-tuning, augmented, longer": ("logits", True, LONGER),
    "fine-tuning of stages, augmented, longer": ("stages", True, LONGER),
}
ROWS = (*PROBES, "from scratch", *FINE_TUNING, *FROM_PROBES, *MAPS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--canvas", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", nargs="+", default=list(DATA))
    parser.add_argument("--rows", nargs="+", default=list(ROWS))
    parser.add_argument("--preset")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    options.output.mkdir(exist_ok=True, parents=True)
    path = options.output / "vision.json"
    rows = finished(path, options)
    done = {(row["method"], row["data"], row["seed"]) for row in rows}
    for seed in options.seeds:
        for data in options.data:
            train, test = split(data, seed)
            for method in options.rows:
                if (method, data, seed) in done:
                    continue
                keras.utils.set_random_seed(seed)
                row = run(method, data, train, test, options)
                row = {"method": method, "data": data, "seed": seed, **row}
                print(json.dumps(row), flush=True)
                rows.append(row)
                write(rows, options, path)
    report(rows, options.output)


def finished(path: pathlib.Path, options) -> list[dict]:
    """Runs of before, if they had the same settings."""
    if not path.exists():
        return []
    content = json.loads(path.read_text())
    settings = {
        "canvas": options.canvas,
        "epochs": options.epochs,
        "backend": keras.config.backend(),
    }
    found = {name: content[name] for name in settings}
    if found != settings:
        raise SystemExit(f"{path} holds runs of {found}: use another --output.")
    return content["rows"]


def write(rows: list[dict], options, path: pathlib.Path) -> None:
    common.write_benchmark(
        path,
        "vision.py",
        canvas=options.canvas,
        epochs=options.epochs,
        samples={name: DATA[name][1:] for name in DATA},
        rows=rows,
    )


@functools.cache
def load_source(preset: str | None) -> keras_hub.models.ImageClassifier:
    """One frozen source for all runs."""
    return common.load_classifier(preset)


def split(data: str, seed: int):
    """Training and test samples of a seed."""
    load, train, test = DATA[data]
    images, labels, groups = load()
    parts = data_sets.split(groups, len(labels), train, test, seed)
    return tuple((images[part], labels[part]) for part in parts)


def run(method: str, data: str, train, test, options) -> dict:
    classifier = load_source(options.preset)
    classes = int(train[1].max()) + 1
    shapes = {
        "target_shape": train[0].shape[1:],
        "source_shape": (options.canvas, options.canvas, 3),
    }
    if method in PROBES:
        source = looked_at(classifier, PROBES[method], options.canvas)
        return probe(source, shapes, train, test, classes)
    if method == "from scratch":
        model = common.untrained(classifier, *shapes.values(), classes)
        return trained(model, train, test, options.epochs, RATE)
    if method in FINE_TUNING:
        look, augmented, longer = FINE_TUNING[method]
        source, network = (
            looked_at(model, look, options.canvas)
            for model in (classifier, common.load_classifier(options.preset))
        )
        model = fine_tuned(source, network, shapes, train, classes)
        if augmented:
            samples = keras.Input(shapes["target_shape"])
            outputs = model(augmentation(data)(samples))
            model = keras.Model(samples, outputs)
        epochs = longer * options.epochs
        return trained(model, train, test, epochs, RATE_OF_FINE_TUNING)
    if method in FROM_PROBES:
        look, longer = FROM_PROBES[method]
        model = common.model_from_probe(
            looked_at(classifier, look, options.canvas),
            classes,
            InputReprogrammer(**shapes, augmentation=augmentation(data)),
        )
        return trained(model, train, test, longer * options.epochs, None)
    name, mapping = MAPS[method]
    model = keras_reprogram.ReprogrammedModel(
        classifier,
        inputs(options.canvas)[name](**shapes),
        keras_reprogram.LabelMapper(classes, mapping),
    )
    rate = RATE if mapping == "linear" else RATE_OF_FIXED_MAPS
    return trained(model, train, test, options.epochs, rate, name == "EVP")


def looked_at(classifier, look: str, canvas: int) -> keras.Model:
    """A network up to what a linear map looks at."""
    if look == "stages":
        return sources.stage_features(classifier, (canvas, canvas, 3))
    return sources.features(classifier) if look == "features" else classifier


def probe(source, shapes, train, test, classes) -> dict:
    result = common.linear_probe(
        source, shapes["source_shape"], train, test, classes, common.accuracy
    )
    return {
        "accuracy": result["test_accuracy"],
        "parameters": result["trainable_parameters"],
        "seconds": result["seconds"],
    }


def augmentation(data: str) -> keras.layers.Layer:
    if data not in SYMMETRIC:
        return RandomShift()
    flip = keras.layers.RandomFlip("horizontal_and_vertical")
    return keras.Sequential([flip, RandomShift()])


def fine_tuned(source, network, shapes, train, classes) -> keras.Model:
    """All weights of a network, from the linear probe of the same as a source.

    Its batch statistics stay as they are.
    """
    plain = keras_reprogram.ReprogrammedModel(
        source,
        InputReprogrammer(**shapes, pattern=None),
        keras_reprogram.LabelMapper(classes),
    )
    plain.adapt(*train, verbose=0)
    head = keras.layers.Dense(classes)
    samples = keras.Input(shapes["target_shape"])
    logits = InferenceMode(network)(plain.input_reprogrammer(samples))
    model = keras.Model(samples, head(logits))
    head.set_weights(plain.label_mapper.get_weights()[:2])
    return model


class InferenceMode(keras.layers.Layer):
    """A network whose weights train while its batch statistics do not."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        # A compiled classifier would bring metrics of its own.
        self.network = keras.Model(network.inputs, network.outputs)

    def build(self, input_shape) -> None:
        self.built = True

    def call(self, images):
        return self.network(images, training=False)


class Clock(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.seconds.append(time.perf_counter() - self.start)


def trained(model, train, test, epochs, rate, normalized=False) -> dict:
    steps = epochs * -(-len(train[0]) // BATCH_SIZE)
    if rate is not None:
        optimizer = keras.optimizers.Adam
        if normalized:
            # A step of this length moves every value of the border as far as
            # one of Adam does.
            rate *= float(np.sqrt(model.input_reprogrammer.count_params()))
            optimizer = keras_reprogram.optimizers.NormalizedGradient
        model.compile(
            optimizer(keras.optimizers.schedules.CosineDecay(rate, steps)),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
    clock = Clock()
    history = model.fit(
        *train,
        batch_size=BATCH_SIZE,
        epochs=epochs,
        verbose=0,
        callbacks=[clock],
    ).history
    predictions = model.predict(test[0], batch_size=200, verbose=0)
    return {
        "accuracy": common.accuracy(test[1], predictions.argmax(axis=1)),
        "train_accuracy": history["accuracy"][-1],
        "parameters": common.trained_values(model),
        "epoch_seconds": min(clock.seconds),
    }


def report(rows: list[dict], output: pathlib.Path) -> None:
    """A table and a plot of what has been run so far."""
    data = [name for name in DATA if any(row["data"] == name for row in rows)]
    known = [
        name for name in ROWS if any(row["method"] == name for row in rows)
    ]
    header = ["method", *data, "seeds", "parameters", "seconds an epoch"]
    lines = [
        "| " + " | ".join(header) + " |",
        "|---" * len(header) + "|",
    ]
    scores = {
        (method, name): [
            row["accuracy"]
            for row in rows
            if (row["method"], row["data"]) == (method, name)
        ]
        for method in known
        for name in data
    }
    for method in known:
        mine = [row for row in rows if row["method"] == method]
        cells = [
            f"{np.mean(values):.3f} ± {np.std(values):.3f}" if values else ""
            for values in (scores[method, name] for name in data)
        ]
        seconds = [
            row["epoch_seconds"]
            for row in mine
            if "epoch_seconds" in row and row["data"] == data[0]
        ]
        cells.append(str(len({row["seed"] for row in mine})))
        cells.append(f"{max(row['parameters'] for row in mine):,}")
        cells.append(f"{min(seconds):.1f}" if seconds else "")
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    table = "\n".join(lines) + "\n"
    print(table)
    (output / "vision.md").write_text(table)
    draw(scores, known, data, output / "vision.png")


def draw(scores, known, data, path: pathlib.Path) -> None:
    pyplot = common.pyplot()
    figure, axes = pyplot.subplots(
        1, len(data), figsize=(3.2 * len(data) + 1.5, 7), sharey=True
    )
    for axis, name in zip(np.atleast_1d(axes), data):
        means = [np.mean(scores[method, name] or [np.nan]) for method in known]
        spreads = [np.std(scores[method, name] or [0.0]) for method in known]
        positions = -np.arange(len(known))
        axis.errorbar(means, positions, xerr=spreads, fmt="o", capsize=2)
        axis.axvline(means[0], color="gray", linewidth=0.8, linestyle="--")
        axis.set(title=name, xlabel="test accuracy")
        axis.set_yticks(positions, known)
        axis.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
