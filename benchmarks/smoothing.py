"""The distance at which estimators ask, and the learning rate, after 10,000 queries.

    python benchmarks/smoothing.py

Three tasks of 300 samples: handwritten digits and crops of an airborne image
for EfficientNet-Lite0 on a canvas of 64x64, and the digits from 5 to 9 for a
small network that was trained on those from 0 to 4. A program on the whole
canvas, of one number a value, is trained by Adam through each estimator with
each `smoothing` and rate, with a map that counts (BLM+) and with a linear one,
two seeds each, in an order drawn at random: the command may be stopped. What
is compared is the accuracy on 1,000 other samples, of the last epoch, less that
before training. Finished runs are kept in `benchmarks/results/smoothing.json`.
"""  # noqa: E501

import argparse
import itertools
import json
import pathlib
import random
import sys
import time

import keras
import numpy as np

import keras_reprogram
from keras_reprogram import black_box

FOLDER = pathlib.Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "examples"))

import common  # noqa: E402
import vision  # noqa: E402

BUDGET, TRAIN, TEST = 10_000, 300, 1_000
# What makes an estimator, and how often it asks about a sample in a step.
ESTIMATORS = {
    "one-sided": (lambda distance: black_box.OneSided(10, distance), 11),
    "two-sided": (lambda distance: black_box.TwoSided(4, distance), 8),
    "SPSA": (lambda distance: black_box.SPSA(1, distance), 2),
}
TASKS = ("lite0/digits", "cnn/digits 5-9", "lite0/fields")
SMOOTHINGS = (0.01, 0.03, 0.1, 0.3, 1.0)
RATES = (0.001, 0.01, 0.05)
FIELDS = ("task", "map", "estimator", "smoothing", "rate", "seed")


def small_network(images: np.ndarray, labels: np.ndarray) -> keras.Model:
    """A network that tells the digits from 0 to 4 apart."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((28, 28, 1))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    for filters in (16, 32):
        x = keras.layers.Conv2D(filters, 3, activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Dense(64, "relu")(keras.layers.Flatten()(x))
    network = keras.Model(inputs, keras.layers.Dense(5)(x))
    network.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    known = labels < 5
    network.fit(
        images[known], labels[known], epochs=5, batch_size=64, verbose=0
    )
    return network


def split(task: str, seed: int, digits: tuple[np.ndarray, np.ndarray]):
    """Training and test samples of a seed."""
    if task == "lite0/fields":
        train, test = vision.split("fields", seed)
        return train, tuple(part[:TEST] for part in test)
    images, labels = digits
    if task == "cnn/digits 5-9":
        images, labels = images[labels >= 5], labels[labels >= 5] - 5
    order = np.random.default_rng(seed).permutation(len(labels))
    parts = order[:TRAIN], order[TRAIN : TRAIN + TEST]
    return tuple((images[part], labels[part]) for part in parts)


def run(source, train, test, mapping, estimator, smoothing, rate, seed) -> dict:
    make, queries = ESTIMATORS[estimator]
    canvas = (64, 64, 3) if None in source.input_shape[1:] else None
    keras.utils.set_random_seed(seed)
    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer(train[0].shape[1:], canvas),
        keras_reprogram.LabelMapper(int(train[1].max()) + 1, mapping),
    )
    model.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        gradient_estimator=make(smoothing),
    )
    model.adapt(*train, verbose=0)
    before = model.evaluate(*test, batch_size=500, verbose=0)[1]
    epochs = max(1, round(BUDGET / (queries * TRAIN)))
    start = time.perf_counter()
    model.fit(*train, batch_size=50, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - start
    after = model.evaluate(*test, batch_size=500, verbose=0)[1]
    return {"before": before, "after": after, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output", type=pathlib.Path, default=FOLDER / "results"
    )
    parser.add_argument("--seconds", type=float, default=float("inf"))
    options = parser.parse_args()
    path = options.output / "smoothing.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    done = {tuple(row[name] for name in FIELDS) for row in rows}
    digits = common.digits()
    sources = {
        "lite0": common.load_classifier(None),
        "cnn": small_network(*digits),
    }
    jobs = list(
        itertools.product(
            TASKS,
            ("bayesian_plus", "linear"),
            ESTIMATORS,
            SMOOTHINGS,
            RATES,
            (0, 1),
        )
    )
    random.Random(0).shuffle(jobs)
    end = time.monotonic() + options.seconds
    for job in (job for job in jobs if job not in done):
        if time.monotonic() > end:
            break
        task, *settings, seed = job
        parts = split(task, seed, digits)
        source = sources[task.split("/")[0]]
        found = run(source, *parts, *settings, seed)
        rows.append({**dict(zip(FIELDS, job)), **found})
        common.write_benchmark(path, "smoothing.py", rows=rows)


if __name__ == "__main__":
    main()
