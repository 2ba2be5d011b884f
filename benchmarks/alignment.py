"""Does alignment with a source's own samples predict accuracy?

    pip install keras-reprogram[benchmarks,diagnostics,time-series] scikit-image
    python benchmarks/alignment.py

Alignment is the sliced Wasserstein distance between a frozen source's outputs
on its own samples and on reprogrammed target samples, before and after
training, on test samples without their labels. For each set, its rank
correlations with test accuracy are taken over the methods: input
transformations under a trained linear label map, and label maps behind one
input transformation.

EfficientNet-Lite0 on a canvas of 64x64 is measured on `vision.py`'s pictures.
ImageNet's samples are replaced by a proxy, crops of photographs that come with
scikit-image and scikit-learn. Two sources are trained here, a convolutional
network on 8x8 numerals (UCI) and one on outlines of leaves (OSULeaf), so that
samples of their own are at hand that they were not trained on, and the bound on
the risk of Voice2Series can be evaluated. Each run is a line of
`benchmarks/results/alignment.jsonl`: the command goes on where it was stopped.
"""

import argparse
import dataclasses
import functools
import itertools
import json
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import keras_reprogram
from keras_reprogram import diagnostics
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import Tile
from keras_reprogram.inputs import UniversalPattern

FOLDER = pathlib.Path(__file__).parent
sys.path.insert(0, str(FOLDER))

import rates  # noqa: E402
import vision  # noqa: E402

sys.path.insert(0, str(FOLDER.parent / "examples"))

import common  # noqa: E402
import time_series  # noqa: E402

BATCH_SIZE = 32
RATE, RATE_OF_FIXED_MAPS = vision.RATE, vision.RATE_OF_FIXED_MAPS
STEPS = 256  # of a series on the canvas
EXACT = 400  # samples of each side of an exact distance
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left")
ONE_TO_ONE = ("identity", "random", "frequency", "iterative")
Arrays = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass
class Source:
    """A frozen source, and its outputs on samples of its own task."""

    model: keras.Model
    outputs: np.ndarray
    labels: np.ndarray | None = None
    accuracy: float | None = None


# === Sources ===


@functools.cache
def efficientnet(seed: int) -> Source:
    """EfficientNet-Lite0, with photographs for ImageNet."""
    classifier = vision.load_source(None)
    plain = keras_reprogram.ReprogrammedModel(
        classifier, InputReprogrammer((64, 64, 3), pattern=None)
    )
    return Source(classifier, plain.predict_source(crops()))


@functools.cache
def crops(number: int = 300, size: int = 64) -> np.ndarray:
    """Crops of photographs of a third of their side up to the whole."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    package = common.package_folder("skimage")
    photographs = [Image.fromarray(i) for i in load_sample_images().images]
    for name in PHOTOGRAPHS:
        (path,) = (package / "data").glob(f"{name}.*")
        photographs.append(Image.open(path).convert("RGB"))
    draws, images = np.random.default_rng(0), []
    for index in range(number):
        photograph = photographs[index % len(photographs)]
        side = int(min(photograph.size) * draws.uniform(1 / 3, 1))
        left, top = (draws.integers(s - side + 1) for s in photograph.size)
        box = left, top, left + side, top + side
        images.append(photograph.resize((size, size), box=box))
    return np.stack(images)


@functools.cache
def numerals(seed: int) -> Source:
    """A convolutional network on 16x16 pixels, 1,000 numerals for training."""
    images, labels = rates.numerals()
    images = images.repeat(2, axis=1).repeat(2, axis=2).repeat(3, axis=3)
    inputs = x = keras.Input((16, 16, 3))
    for filters in (32, 64):
        x = keras.layers.Conv2D(filters, 3, padding="same")(x)
        x = keras.layers.MaxPooling2D()(keras.layers.ReLU()(x))
    x = keras.layers.Dense(64, "relu")(keras.layers.Flatten()(x))
    network = keras.Model(inputs, keras.layers.Dense(10)(x))
    images = (images / 127.5 - 1).astype("float32")
    return trained_source(network, images, labels, 1000, 15, seed)


@functools.cache
def leaves(seed: int) -> Source:
    """A convolutional network on outlines of leaves, 250 for training."""
    series, labels = rates.series_of("OSULeaf")
    positions = np.linspace(0, 1, STEPS)
    series = np.stack(
        [
            np.interp(positions, np.linspace(0, 1, len(outline)), outline)
            for (outline,) in series
        ]
    )[..., None].astype("float32")
    network = time_series.convolutional((STEPS, 1), int(labels.max()) + 1)
    return trained_source(network, series, labels, 250, 60, seed)


def trained_source(network, samples, labels, number, epochs, seed) -> Source:
    order = np.random.default_rng(seed).permutation(len(labels))
    train, test = order[:number], order[number:]
    steps = epochs * -(-number // BATCH_SIZE)
    network.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(1e-3, steps)
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    network.fit(
        samples[train],
        labels[train],
        batch_size=BATCH_SIZE,
        epochs=epochs,
        verbose=0,
    )
    outputs = network.predict(samples[test], verbose=0)
    accuracy = common.accuracy(labels[test], outputs.argmax(axis=1))
    return Source(network, outputs, labels[test], accuracy)


# === Targets and methods ===


def series_split(name: str, seed: int) -> tuple[Arrays, Arrays]:
    series, labels = rates.series_of(name)
    series = np.stack(series).transpose(0, 2, 1).astype("float32")
    order = np.random.default_rng(seed).permutation(len(labels))
    train, test = order[:100], order[100:600]
    mean, deviation = series[train].mean(), series[train].std()
    series = (series - mean) / deviation
    return (series[train], labels[train]), (series[test], labels[test])


def picture_split(name: str, seed: int) -> tuple[Arrays, Arrays]:
    (samples, labels), test = vision.split(name, seed)
    return (samples[:200], labels[:200]), (test[0][:400], test[1][:400])


def picture_inputs(
    canvas: int, **settings: Any
) -> dict[str, Callable[..., InputReprogrammer]]:
    chosen = (
        "universal (default)",
        "tanh outside",
        "VP frame",
        "ILM-VP",
        "AutoVP",
        "low rank",
    )
    factories = vision.inputs(canvas)
    inputs = {"no pattern": functools.partial(InputReprogrammer, pattern=None)}
    inputs |= {name: factories[name] for name in chosen}
    return {
        name: functools.partial(factory, **settings)
        for name, factory in inputs.items()
    }


def series_inputs() -> dict[str, Callable[..., InputReprogrammer]]:
    def of(pattern: Callable[[], Any], **settings: Any) -> Callable[..., Any]:
        return lambda **shapes: InputReprogrammer(
            pattern=pattern(), value_range=None, **settings, **shapes
        )

    half = Pad(STEPS // 2)
    everywhere = functools.partial(UniversalPattern, activation=None)
    return {
        "no pattern": of(lambda: None),
        "universal (default)": of(everywhere),
        "no pattern, half": of(lambda: None, placement=half),
        "outside": of(lambda: "outside", placement=half),
        "overlaid": of(everywhere, placement=half),
        "two copies": of(everywhere, placement=Tile(2, STEPS // 2)),
        "grid of 8": of(lambda: UniversalPattern(basis=Grid(8))),
        "tanh everywhere": of(UniversalPattern),
    }


@dataclasses.dataclass
class Task:
    """A source with sets of targets, and methods for them."""

    source: Callable[[int], Source]
    split: Callable[[str, int], tuple[Arrays, Arrays]]
    data: tuple[str, ...]
    source_shape: tuple[int, ...]
    inputs: dict[str, Callable[..., InputReprogrammer]]
    maps: tuple[str, ...]
    epochs: int

    def methods(self) -> dict[str, tuple[str, str]]:
        """Name of a method: its input transformation and its label map."""
        linear = {name: (name, "linear") for name in self.inputs}
        default = "universal (default)"
        return linear | {mapping: (default, mapping) for mapping in self.maps}


MAPS = ("random", "frequency", "iterative", "bayesian_plus")
TASKS = {
    "EfficientNet-Lite0": Task(
        efficientnet,
        picture_split,
        tuple(vision.DATA),
        (64, 64, 3),
        picture_inputs(64),
        MAPS,
        epochs=4,
    ),
    "numerals": Task(
        numerals,
        picture_split,
        tuple(vision.DATA),
        (16, 16, 3),
        picture_inputs(16, scale=2 / 255, offset=-1.0),
        ("identity", *MAPS),
        epochs=10,
    ),
    "leaves": Task(
        leaves,
        series_split,
        ("ArrowHead", "GunPoint", "ItalyPowerDemand"),
        (STEPS, 1),
        series_inputs(),
        ("identity", *MAPS),
        epochs=10,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sources", nargs="+", default=list(TASKS))
    parser.add_argument("--data", nargs="+")
    parser.add_argument("--methods", nargs="+")
    parser.add_argument("--output", type=pathlib.Path, default=vision.RESULTS)
    options = parser.parse_args()
    options.output.mkdir(exist_ok=True, parents=True)
    path = options.output / "alignment.jsonl"
    rows = []
    if path.exists():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    for seed in options.seeds:
        for name in options.sources:
            for data in options.data or TASKS[name].data:
                rows += finish(name, data, seed, rows, path, options.methods)
    tables = report(rows)
    print(tables)
    (options.output / "alignment.md").write_text(tables + "\n")


def finish(name, data, seed, rows, path, methods) -> list[dict]:
    """Runs what is left of one draw of one set."""
    task, added = TASKS[name], []
    keys = ("source", "data", "seed", "method")
    done = {tuple(row[key] for key in keys) for row in rows}
    for method in methods or task.methods():
        if (name, data, seed, method) in done:
            continue
        row = dict(zip(keys, (name, data, seed, method)))
        row |= run(task, method, *task.split(data, seed), seed)
        line = json.dumps(row)
        print(line, flush=True)
        with path.open("a") as file:
            file.write(line + "\n")
        added.append(row)
    return added


def run(task: Task, method: str, train: Arrays, test: Arrays, seed: int):
    begin = time.process_time()
    keras.utils.set_random_seed(seed)
    source = task.source(seed)
    keras.utils.set_random_seed(seed)
    chosen, mapping = task.methods()[method]
    model = keras_reprogram.ReprogrammedModel(
        source.model,
        task.inputs[chosen](
            target_shape=train[0].shape[1:], source_shape=task.source_shape
        ),
        keras_reprogram.LabelMapper(int(train[1].max()) + 1, mapping),
    )
    steps = task.epochs * -(-len(train[0]) // BATCH_SIZE)
    rate = RATE if mapping == "linear" else RATE_OF_FIXED_MAPS
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(rate, steps)
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    start = model.predict_source(test[0], batch_size=100)
    history = model.fit(
        *train,
        batch_size=BATCH_SIZE,
        epochs=task.epochs,
        verbose=0,
    ).history
    outputs = model.predict_source(test[0], batch_size=100)
    predictions = keras.ops.convert_to_numpy(model.label_mapper(outputs))
    row = {
        "map": mapping,
        "alignment": [
            round(diagnostics.sliced_wasserstein(z, source.outputs), 5)
            for z in (start, outputs)
        ],
        "accuracy": common.accuracy(test[1], predictions.argmax(axis=1)),
        "train_accuracy": history["accuracy"][-1],
        "source_accuracy": source.accuracy,
    }
    if source.labels is not None and mapping in ONE_TO_ONE:
        row["bound"] = bound(source, model, outputs, test[1])
    return {**row, "seconds": round(time.process_time() - begin, 1)}


def bound(source: Source, model, outputs, labels) -> dict[str, float]:
    """The bound's terms, by the sliced and by the exact distance.

    The sliced one is of all test samples, and may be above the exact one of
    some of them.
    """
    matrix = keras.ops.convert_to_numpy(model.label_mapper.matrix)
    chosen = matrix.argmax(axis=0)
    number = min(EXACT, len(labels), len(source.labels))
    terms = diagnostics.risk_bound(
        source.outputs[:number],
        source.labels[:number],
        outputs[:number],
        chosen[labels[:number]],
        exact=True,
    )
    sliced = diagnostics.risk_bound(
        source.outputs, source.labels, outputs, chosen[labels]
    )
    return {
        "samples": number,
        "source_risk": terms.source_risk,
        "target_risk": terms.target_risk,
        "classes": terms.num_classes,
        "distance": terms.distance,
        "sliced_distance": sliced.distance,
        "bound": terms.bound,
        "sliced_bound": sliced.bound,
        "labeled_bound": terms.labeled_bound,
    }


# === Report ===

GROUPS = {
    "all": lambda row: True,
    "linear map": lambda row: row["map"] == "linear",
}
VALUES = {
    "start": lambda row: row["alignment"][0],
    "end": lambda row: row["alignment"][1],
    "change": lambda row: row["alignment"][1] - row["alignment"][0],
}


def report(rows: list[dict]) -> str:
    return "\n\n".join([correlations(rows), changes(rows), bounds(rows)])


def by(rows: list[dict], *keys: str) -> dict[tuple, list[dict]]:
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def correlations(rows: list[dict]) -> str:
    """Spearman's and Kendall's over methods, mean and spread over draws.

    The accuracy on training samples is what alignment competes with.
    """
    from scipy.stats import kendalltau
    from scipy.stats import spearmanr

    columns = [f"{name} {c}" for name in VALUES for c in ("ρ", "τ")]
    columns.append("training accuracy ρ")
    statistics = [*itertools.product(VALUES.values(), (spearmanr, kendalltau))]
    statistics.append((lambda row: row["train_accuracy"], spearmanr))
    lines = [
        "| source | set | methods | draws | " + " | ".join(columns) + " |",
        "|---|---|---|---:|" + "---:|" * len(columns),
    ]
    for group, belongs in GROUPS.items():
        kept = [row for row in rows if belongs(row)]
        for (source, data), mine in by(kept, "source", "data").items():
            draws = by(mine, "seed")
            cells = []
            for value, statistic in statistics:
                found = [
                    statistic(
                        [value(row) for row in draw],
                        [row["accuracy"] for row in draw],
                    ).statistic
                    for draw in draws.values()
                ]
                cells.append(f"{np.mean(found):.2f} ± {np.std(found):.2f}")
            number = max(map(len, draws.values()))
            lines.append(
                f"| {source} | {data} | {number}, {group} | {len(draws)} | "
                + " | ".join(cells)
                + " |"
            )
    return "\n".join(lines)


def changes(rows: list[dict]) -> str:
    """What training does to the distance, by the kind of label map."""
    lines = [
        "| source | set | map | trained runs | closer at the end "
        "| end / start, median | accuracy |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    moved = [row for row in rows if not row["method"].startswith("no pattern")]
    for key, mine in sorted(by(moved, "source", "data", "map").items()):
        ratios = [row["alignment"][-1] / row["alignment"][0] for row in mine]
        lines.append(
            f"| {' | '.join(key)} | {len(mine)} "
            f"| {np.mean(np.array(ratios) < 1):.0%} | {np.median(ratios):.2f} "
            f"| {np.mean([row['accuracy'] for row in mine]):.3f} |"
        )
    return "\n".join(lines)


def bounds(rows: list[dict]) -> str:
    """The bound's terms where the source's own risk is measured."""
    terms = {
        "source risk": "source_risk",
        "target risk": "target_risk",
        "W1, sliced / c": "sliced_distance",
        "W1, exact": "distance",
        "bound, sliced": "sliced_bound",
        "bound, exact": "bound",
        "bound with labels": "labeled_bound",
    }
    lines = [
        "| source | set | map | draws | accuracy | "
        + " | ".join(terms)
        + " | vacuous |",
        "|---|---|---|---:|" + "---:|" * (len(terms) + 2),
    ]
    kept = [row for row in rows if "bound" in row]
    largest = diagnostics.bound.LARGEST_LOSS
    for key, mine in by(kept, "source", "data", "map").items():
        cells = [f"{np.mean([row['accuracy'] for row in mine]):.3f}"]
        for term in terms.values():
            values = [row["bound"][term] for row in mine]
            cells.append(f"{np.mean(values):.2f} ± {np.std(values):.2f}")
        vacuous = sum(row["bound"]["sliced_bound"] >= largest for row in mine)
        cells.append(f"{vacuous} of {len(mine)}")
        lines.append(
            f"| {' | '.join(key)} | {len(mine)} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
