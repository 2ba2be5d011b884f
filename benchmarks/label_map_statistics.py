"""What statistics gathered in the training step cost, and what they are worth.

    python benchmarks/label_map_statistics.py

Cost: seconds of an epoch with an iterative map (ILM) against one with a fixed
map, epochs in turn, on EfficientNet-Lite0. Worth: test accuracy of ILM from the
statistics of its training steps against ILM from a fresh pass over the data
before each epoch, on scikit-learn's digits, for several seeds; the source tells
gratings of twenty angles apart. The result goes to `benchmarks/results/`.
"""

import argparse
import json
import os
import pathlib
import platform
import time

import keras
import keras_hub
import numpy as np
from sklearn.datasets import load_digits

import keras_reprogram
from keras_reprogram.outputs import FrequencyMapping
from keras_reprogram.outputs import IterativeMapping

RESULTS = pathlib.Path(__file__).parent / "results"
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=1792)
    parser.add_argument("--canvas", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    result = {
        "command": "python benchmarks/label_map_statistics.py",
        "options": vars(options),
        "backend": keras.config.backend(),
        "versions": {
            "keras": keras.__version__,
            "keras_hub": keras_hub.__version__,
        },
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "cost": cost(options),
        "worth": worth(options),
    }
    RESULTS.mkdir(exist_ok=True)
    name = f"label_map_statistics_{keras.config.backend()}.json"
    (RESULTS / name).write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def reprogrammed(source, canvas, mapping, placement="resize"):
    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer(
            (8, 8, 1),
            canvas,
            placement=placement,
            value_range=(0, 16),
        ),
        keras_reprogram.LabelMapper(10, mapping),
    )
    return model


def cost(options) -> dict:
    """Seconds of an epoch, ILM against a fixed map, in pairs."""
    classifier = keras_hub.models.ImageClassifier.from_preset(
        keras_reprogram.pretrained.efficientnet_lite0_preset()
    )
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1)[: options.images]
    labels = labels[: options.images]
    canvas = (options.canvas, options.canvas, 3)
    models = {}
    for mapping in ("iterative", "random"):
        model = reprogrammed(classifier, canvas, mapping)
        model.compile("adam", LOSS)
        model.fit(images, labels, verbose=0)  # compiles, adapts
        models[mapping] = model
    seconds = {mapping: [] for mapping in models}
    for _ in range(options.rounds):
        for mapping, model in models.items():
            start = time.perf_counter()
            model.fit(images, labels, verbose=0)
            seconds[mapping].append(time.perf_counter() - start)
    ratios = np.divide(seconds["iterative"], seconds["random"])
    return {
        "iterative_seconds": np.round(seconds["iterative"], 3).tolist(),
        "fixed_seconds": np.round(seconds["random"], 3).tolist(),
        "median_of_ratios": round(float(np.median(ratios)), 4),
        "quartiles_of_ratios": np.round(
            np.quantile(ratios, [0.25, 0.75]), 4
        ).tolist(),
        "ratio_of_medians": round(
            float(
                np.median(seconds["iterative"]) / np.median(seconds["random"])
            ),
            4,
        ),
        "ratio_of_fastest": round(
            min(seconds["iterative"]) / min(seconds["random"]), 4
        ),
    }


class FreshPass(keras.callbacks.Callback):
    """The peers' way: the whole data through the source before each epoch."""

    def __init__(self, images, labels):
        super().__init__()
        self.images, self.labels = images, labels

    def on_epoch_begin(self, epoch, logs=None):
        model = self.model
        statistics = FrequencyMapping().statistics(
            model.predict_source(self.images), self.labels, 10
        )
        model.label_mapper.assign(FrequencyMapping().matrix(statistics))


def worth(options) -> dict:
    """Test accuracy of ILM by where its statistics come from."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1)
    kinds = {
        "fresh pass an epoch": "random",
        "training steps of an epoch": "iterative",
        "training steps, solved every 5": IterativeMapping(5, "step"),
    }
    accuracies = {kind: [] for kind in kinds}
    for seed in range(options.seeds):
        keras.utils.set_random_seed(seed)
        source = small_source(seed)
        order = np.random.default_rng(seed).permutation(len(images))
        train, test = order[:600], order[600:]
        for kind, mapping in kinds.items():
            keras.utils.set_random_seed(seed)
            model = reprogrammed(source, (16, 16, 1), mapping)
            model.compile(
                keras.optimizers.Adam(0.02), LOSS, metrics=["accuracy"]
            )
            callbacks = []
            if mapping == "random":
                callbacks = [FreshPass(images[train], labels[train])]
            model.fit(
                images[train],
                labels[train],
                epochs=options.epochs,
                callbacks=callbacks,
                verbose=0,
            )
            _, score = model.evaluate(images[test], labels[test], verbose=0)
            accuracies[kind].append(round(score, 4))
    result = {
        kind: {
            "accuracies": scores,
            "mean": round(float(np.mean(scores)), 4),
            "standard_deviation": round(float(np.std(scores)), 4),
        }
        for kind, scores in accuracies.items()
    }
    fresh = np.array(accuracies["fresh pass an epoch"])
    for kind in list(kinds)[1:]:
        differences = accuracies[kind] - fresh
        result[kind]["difference_from_fresh"] = {
            "mean": round(float(differences.mean()), 4),
            "standard_error": round(
                float(differences.std(ddof=1) / np.sqrt(len(differences))), 4
            ),
        }
    return result


def small_source(seed: int) -> keras.Model:
    """A source of 20 classes: textures of oriented waves, learned in seconds.

    Class `c` is a grating of angle `c * 9` degrees in noise.
    """
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, 20, 4000)
    angles = np.deg2rad(classes * 9.0)[:, None, None]
    y, x = np.mgrid[:16, :16]
    phases = generator.uniform(0, 2 * np.pi, (4000, 1, 1))
    waves = np.sin(0.9 * (x * np.cos(angles) + y * np.sin(angles)) + phases)
    noise = generator.normal(0, 0.3, waves.shape)
    images = (8 + 4 * (waves + noise))[..., None].clip(0, 16)
    source = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            keras.layers.Rescaling(1 / 8, -1),
            keras.layers.Conv2D(16, 5, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(20),
        ]
    )
    source.compile(keras.optimizers.Adam(3e-3), LOSS)
    source.fit(images, classes, epochs=8, verbose=0)
    return source


if __name__ == "__main__":
    main()
