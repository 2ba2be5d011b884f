"""How accurate a model of few labeled samples is, and what it is measured by.

    pip install keras-reprogram[benchmarks]
    python benchmarks/few_samples.py --rows baselines
    python benchmarks/few_samples.py --rows recipes trials
    python benchmarks/few_samples.py --report

Five sets at 50, 200 and 1,000 labeled samples, five draws of each (three of
1,000). A draw's smaller training sets are parts of its larger ones and hold
two samples of each class at least; 200 further samples name the best baseline
of a set and a size, and the score is that of samples that nothing else has
seen: the accuracy, of solar cells the balanced accuracy, for which all methods
weight their classes. Fields and people are in one of the three parts alone.
Trained baselines have the same samples, shifted and, where a mirrored one is a
sample of the same class, flipped, and `STEPS` steps of Adam, whose rate falls
to zero along a cosine. Each run is a line of
`benchmarks/results/few_samples.jsonl`: the command goes on where it was
stopped. `--minutes` ends it after the run in which they are over.
"""

import argparse
import functools
import pathlib
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import data_sets
import keras
import numpy as np
from runs import Runs
from runs import described

import keras_reprogram
from keras_reprogram import sources
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import RandomShift

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "examples"))

import common  # noqa: E402
from vision import InferenceMode  # noqa: E402

RESULTS = pathlib.Path(__file__).parent / "results"
SETS = ("digits", "cells", "fields", "exercises", "garments")
# A cell or a field is one from either side, a garment from two; a digit is not.
FLIPS = {
    "cells": "horizontal_and_vertical",
    "fields": "horizontal_and_vertical",
    "garments": "horizontal",
}
WITH_RARE_CLASSES = ("cells",)
SIZES = {50: 5, 200: 5, 1000: 3}  # draws of each
NUM_VALIDATION, NUM_TEST = 200, 1000
BATCH_SIZE, CANVAS = 32, 64
STEPS = {50: 100, 200: 200, 1000: 350}
RATE_OF_FINE_TUNING, RATE_FROM_SCRATCH = 1e-4, 2e-3


class Draw:
    """The samples of one draw from a set.

    Args:
        name: Name of the set.
        size: Number of training samples.
        seed: Number of the draw.
    """

    def __init__(self, name: str, size: int, seed: int) -> None:
        self.name, self.size, self.seed = name, size, seed
        images, labels, groups = loaded(name)
        self.num_classes = int(labels.max()) + 1
        generator = np.random.default_rng(seed)
        order = generator.permutation(len(labels))
        if groups is None:
            ends = np.cumsum([max(SIZES), NUM_VALIDATION])
            pool, held_out, rest = np.split(order, ends)
        else:
            names = generator.permutation(np.unique(groups))
            half = len(names) // 2
            if name == "fields":
                # Like the fields of a chessboard, as in `vision.py`.
                is_other = (names // 100 + names % 100 + seed) % 2 == 1
                names = names[np.argsort(is_other, kind="stable")]
                half = int(np.sum(~is_other))
            sides = np.split(names, [half, half + (len(names) - half) // 3])
            pool, held_out, rest = (
                order[np.isin(groups[order], side)] for side in sides
            )
        pool = with_first_of_each_class(pool, labels)[: max(SIZES)]
        self.train, self.validation, self.test = (
            (images[part], labels[part])
            for part in (
                pool[:size],
                held_out[:NUM_VALIDATION],
                rest[:NUM_TEST],
            )
        )
        self.groups = None if groups is None else groups[pool[:size]]

    @property
    def class_weight(self) -> dict[int, float] | None:
        if self.name not in WITH_RARE_CLASSES:
            return None
        return common.balanced_class_weight(self.train[1])

    @property
    def augmentation(self) -> keras.layers.Layer:
        if self.name == "exercises":  # each band of rows is a series
            return keras.layers.RandomTranslation(0.0, 0.1)
        if self.name not in FLIPS:
            return RandomShift()
        flip = keras.layers.RandomFlip(FLIPS[self.name])
        return keras.Sequential([flip, RandomShift()])


@functools.cache
def loaded(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    if name == "fields":
        return data_sets.fields(by_block=True)
    return getattr(data_sets, name)()


def with_first_of_each_class(
    order: np.ndarray, labels: np.ndarray, count: int = 2
) -> np.ndarray:
    """Moves the first samples of each class to the front."""
    first = np.concatenate(
        [order[labels[order] == label][:count] for label in np.unique(labels)]
    )
    return np.concatenate([first, order[~np.isin(order, first)]])


# === Baselines ===


@functools.cache
def classifier() -> keras.Model:
    return common.load_classifier(None)


def probe(look: str, canvas: int) -> Callable[[Draw], dict[str, Any]]:
    """Logistic regression, its penalty chosen by cross-validation."""

    def run(draw: Draw) -> dict[str, Any]:
        return probed(look, canvas, draw)

    return run


def source_of(look: str, canvas: int) -> keras.Model:
    if look == "stages":
        return sources.stage_features(classifier(), (canvas, canvas, 3))
    return sources.features(classifier())


def plain_model(source: keras.Model, canvas: int, draw: Draw) -> keras.Model:
    return keras_reprogram.ReprogrammedModel(
        source,
        InputReprogrammer(
            draw.train[0].shape[1:], (canvas, canvas, 3), pattern=None
        ),
        keras_reprogram.LabelMapper(draw.num_classes),
    )


@functools.lru_cache(maxsize=4)
def features_of(
    look: str, canvas: int, name: str, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of a draw's largest training set, validation and test."""
    draw = Draw(name, max(SIZES), seed)
    model = plain_model(source_of(look, canvas), canvas, draw)
    return tuple(
        model.predict_source(part[0], batch_size=100)
        for part in (draw.train, draw.validation, draw.test)
    )


def probed(look: str, canvas: int, draw: Draw) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedKFold

    def likelihood(fitted: Any, part: np.ndarray, labels: np.ndarray) -> float:
        probabilities = fitted.predict_proba(part)
        return -log_loss(labels, probabilities, labels=fitted.classes_)

    train, *others = features_of(look, canvas, draw.name, draw.seed)
    train, labels = train[: draw.size], draw.train[1]
    # One unit for all features, as in the library's own regression.
    mean, unit = train.mean(axis=0), train.std(axis=0).mean() + 1e-12
    # The inner products are all that a penalized regression depends on.
    left, singular, right = np.linalg.svd(
        (train - mean) / unit, full_matrices=False
    )
    regression = LogisticRegressionCV(
        Cs=np.logspace(-5, 1, 7) / train.shape[1] * 100,
        # Of fields and people too: folds of few groups lack classes. With few
        # samples the likelihood chooses better than the accuracy.
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
        class_weight="balanced" if draw.class_weight else None,
        scoring="balanced_accuracy" if draw.class_weight else likelihood,
        max_iter=300,
        l1_ratios=(0,),
        use_legacy_attributes=False,
    )
    with warnings.catch_warnings():  # of classes of fewer samples than folds
        warnings.simplefilter("ignore")
        regression.fit(left * singular, labels)
    scores = [
        regression.decision_function((part - mean) / unit @ right.T)
        for part in others
    ]
    return {
        "scores": [
            np.stack([-part, part], axis=1) if part.ndim == 1 else part
            for part in scores
        ]
    }


def fine_tuning(draw: Draw) -> dict[str, Any]:
    """All weights, from the probe, with the batch statistics of before.

    The probe of what served a set better in `benchmarks/vision.py`.
    """
    look = "features" if draw.name == "cells" else "stages"
    network = common.load_classifier(None)
    plain = plain_model(source_of(look, CANVAS), CANVAS, draw)
    plain.adapt(*draw.train, verbose=0)
    source = (
        sources.stage_features(network, (CANVAS, CANVAS, 3))
        if look == "stages"
        else sources.features(network)
    )
    head = keras.layers.Dense(draw.num_classes)
    samples = keras.Input(draw.train[0].shape[1:])
    inputs = plain.input_reprogrammer(draw.augmentation(samples))
    model = keras.Model(samples, head(InferenceMode(source)(inputs)))
    head.set_weights(plain.label_mapper.get_weights()[:2])
    return trained(model, draw, RATE_OF_FINE_TUNING)


def from_scratch(draw: Draw) -> dict[str, Any]:
    """A small convolutional network on the samples as they are."""
    samples = keras.Input(draw.train[0].shape[1:])
    hidden = keras.layers.Rescaling(1 / 127.5, -1)(draw.augmentation(samples))
    size = min(draw.train[0].shape[1:3])
    for width in (32, 64, 128):
        for _ in range(2):
            hidden = keras.layers.Conv2D(width, 3, padding="same")(hidden)
            hidden = keras.layers.BatchNormalization(momentum=0.9)(hidden)
            hidden = keras.layers.ReLU()(hidden)
        if size >= 8:
            hidden = keras.layers.MaxPooling2D()(hidden)
            size //= 2
    hidden = keras.layers.GlobalAveragePooling2D()(hidden)
    hidden = keras.layers.Dropout(0.3)(hidden)
    model = keras.Model(samples, keras.layers.Dense(draw.num_classes)(hidden))
    return trained(model, draw, RATE_FROM_SCRATCH)


def recipe_of_before(draw: Draw) -> dict[str, Any]:
    """A pattern and a label map, trained from the probe of all stages.

    With shifted samples, Adam at a small rate, and averaged weights: what was
    recommended for few samples before candidates were compared.
    """
    reprogrammer = InputReprogrammer(
        draw.train[0].shape[1:],
        (CANVAS, CANVAS, 3),
        augmentation=draw.augmentation,
    )
    model = common.model_from_probe(
        source_of("stages", CANVAS), draw.num_classes, reprogrammer
    )
    return trained(model, draw, None)


def trained(
    model: keras.Model, draw: Draw, rate: float | None
) -> dict[str, Any]:
    steps = STEPS[draw.size]
    epochs = round(steps / -(-draw.size // BATCH_SIZE))
    if rate is not None:
        schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
        model.compile(
            keras.optimizers.Adam(schedule),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
    model.fit(
        *draw.train,
        batch_size=BATCH_SIZE,
        epochs=epochs,
        class_weight=draw.class_weight,
        verbose=0,
    )
    return predicted(model, draw)


def predicted(model: keras.Model, draw: Draw) -> dict[str, Any]:
    return {
        "scores": [
            model.predict(part[0], batch_size=100, verbose=0)
            for part in (draw.validation, draw.test)
        ]
    }


BASELINES: dict[str, Callable[[Draw], dict[str, Any]]] = {
    "probe of the last layer": probe("features", CANVAS),
    "probe of all stages": probe("stages", CANVAS),
    "probe of all stages, 97": probe("stages", 97),
    "from scratch": from_scratch,
    "recipe of before": recipe_of_before,
    "fine-tuning": fine_tuning,
}
# === The recipe ===


@functools.cache
def sources_of_recipe() -> dict[str, keras.Model]:
    """All stages of one network at two sizes, and of two others at one."""
    presets = keras_reprogram.pretrained
    networks = {
        "Lite0": presets.efficientnet_lite0_preset,
        "Lite1": presets.efficientnet_lite1_preset,
        "Lite2": presets.efficientnet_lite2_preset,
    }
    models = {
        name: common.load_classifier(preset())
        for name, preset in networks.items()
    }
    sizes = ("Lite0", 65), ("Lite0", 97), ("Lite1", 97), ("Lite2", 97)
    return {
        f"{name} at {size}": sources.stage_features(
            models[name], (size, size, 3)
        )
        for name, size in sizes
    }


@functools.lru_cache(maxsize=8)
def held_out_features(
    name: str, seed: int, key: str
) -> tuple[np.ndarray, np.ndarray]:
    """Features of a draw's validation and test samples by one source."""
    draw = Draw(name, min(SIZES), seed)
    source = sources_of_recipe()[key]
    model = plain_model(source, source.input_shape[1], draw)
    return tuple(
        model.predict_source(part[0], batch_size=100)
        for part in (draw.validation, draw.test)
    )


@functools.lru_cache(maxsize=1)
def cache_of(name: str, seed: int) -> tempfile.TemporaryDirectory:
    """Features of a draw, which a recipe of one network finds again."""
    return tempfile.TemporaryDirectory()


def recipe(
    one: bool = False, trial_seconds: float = 0.0
) -> Callable[[Draw], dict[str, Any]]:
    """The choice among candidates, of one network or of three."""

    def run(draw: Draw) -> dict[str, Any]:
        given = sources_of_recipe()
        if one:
            given = {key: given[key] for key in given if "Lite0" in key}
        start = time.perf_counter()
        model = keras_reprogram.recipes.few_samples(
            given,
            *draw.train,
            num_classes=draw.num_classes,
            class_weight="balanced" if draw.class_weight else None,
            groups=draw.groups,
            augmentation=draw.augmentation,
            trial_seconds=trial_seconds,
            cache_directory=cache_of(draw.name, draw.seed).name,
            verbose=0,
        )
        seconds = time.perf_counter() - start
        found = model.label_mapper.cross_validation
        names = {id(source): name for name, source in given.items()}
        parts = getattr(model.source, "sources", [model.source])
        if "program" in found.chosen:
            scores = predicted(model, draw)["scores"]
        else:
            # The same linear map, of features that all sizes share.
            features = [
                held_out_features(draw.name, draw.seed, names[id(part)])
                for part in parts
            ]
            scores = [
                keras.ops.convert_to_numpy(
                    model.label_mapper(np.concatenate(each, axis=-1))
                )
                for each in zip(*features)
            ]
        return {
            "scores": scores,
            "chosen": found.chosen,
            "seconds_of_choice": round(seconds, 1),
            "candidates": {
                name: [round(mean, 4), round(spread, 4)]
                for name, mean, spread in zip(
                    found.candidates,
                    found.mean.tolist(),
                    found.spread.tolist(),
                )
            },
        }

    return run


RECIPES: dict[str, Callable[[Draw], dict[str, Any]]] = {
    "recipe": recipe(),
    "recipe, one network": recipe(one=True),
}
TRIALS: dict[str, Callable[[Draw], dict[str, Any]]] = {
    "recipe, one network, trials": recipe(one=True, trial_seconds=300),
}
ROWS = {"baselines": BASELINES, "recipes": RECIPES, "trials": TRIALS}


def scores_of(labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Accuracy and balanced accuracy."""
    is_right = scores.argmax(axis=1) == labels
    by_class = [is_right[labels == label].mean() for label in np.unique(labels)]
    return {
        "accuracy": round(float(is_right.mean()), 4),
        "balanced_accuracy": round(float(np.mean(by_class)), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=["baselines", "recipes"])
    parser.add_argument("--data", nargs="+", default=list(SETS))
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--draws", type=int, nargs="+", default=range(5))
    parser.add_argument("--minutes", type=float, default=150)
    parser.add_argument(
        "--report", action="store_true", help="the table of what has been run"
    )
    parser.add_argument(
        "--results", type=pathlib.Path, default=RESULTS / "few_samples.jsonl"
    )
    options = parser.parse_args()
    if options.report:
        report(options.results)
        return
    end = time.monotonic() + 60 * options.minutes
    runs = Runs(options.results)
    every = {**BASELINES, **RECIPES, **TRIALS}
    methods = {
        name: every[name]
        for kind in options.rows
        for name in ROWS.get(kind, [kind])
    }
    for seed in options.draws:
        for data in options.data:
            for size in options.sizes:
                if seed >= SIZES[size]:
                    continue
                for method, run in methods.items():
                    settings = {
                        "data": data,
                        "size": size,
                        "draw": seed,
                        "method": method,
                    }
                    if runs.has(settings):
                        continue
                    if time.monotonic() > end:
                        return
                    keras.utils.set_random_seed(seed)
                    draw = Draw(data, size, seed)
                    start = time.perf_counter()
                    found = run(draw)
                    seconds = time.perf_counter() - start
                    validation, test = found.pop("scores")
                    runs.add(
                        {
                            **settings,
                            **scores_of(draw.test[1], test),
                            "validation": scores_of(
                                draw.validation[1], validation
                            ),
                            "seconds": round(seconds, 1),
                            **found,
                        }
                    )


# === Report ===

# Of these the best on validation samples is what the recipe is compared with.
NAMED = (
    "probe of all stages",
    "probe of all stages, 97",
    "fine-tuning",
    "from scratch",
)


def report(path: pathlib.Path) -> None:
    """A table of all methods, and the recipe's differences by draw."""
    rows = Runs(path).rows
    if not rows:
        return
    found = {
        (row["data"], row["size"], row["draw"], row["method"]): row
        for row in rows
    }
    cells = [
        (data, size)
        for data in SETS
        for size in SIZES
        if any((row["data"], row["size"]) == (data, size) for row in rows)
    ]
    methods = [
        method
        for method in {**BASELINES, **RECIPES, **TRIALS}
        if any(row["method"] == method for row in rows)
    ]
    lines = [
        "| set, samples | " + " | ".join(methods) + " |",
        "|---" * (len(methods) + 1) + "|",
    ]
    for data, size in cells:
        values = [
            described(list(scores(found, data, size, method).values()))
            for method in methods
        ]
        lines.append(f"| {data}, {size} | " + " | ".join(values) + " |")
    lines += ["", *differences(found, cells)]
    table = "\n".join(lines) + "\n"
    print(table)
    path.with_suffix(".md").write_text(table)
    draw(found, path.with_suffix(".png"))


def draw(found, path: pathlib.Path) -> None:
    """The recipe and its baselines by number of samples, a plot a set."""
    pyplot = common.pyplot()
    figure, axes = pyplot.subplots(1, len(SETS), figsize=(15, 3.8))
    for axis, data in zip(axes, SETS):
        for method in ("recipe", *NAMED, "probe of the last layer"):
            runs = {
                size: list(values.values())
                for size in SIZES
                if (values := scores(found, data, size, method))
            }
            axis.errorbar(
                list(runs),
                [np.mean(values) for values in runs.values()],
                yerr=[np.std(values) for values in runs.values()],
                fmt="o-" if method == "recipe" else ".--",
                capsize=2,
                linewidth=2 if method == "recipe" else 1,
                label=method,
            )
        axis.set(title=data, xlabel="labeled samples", xscale="log")
        axis.set_xticks(list(SIZES), list(SIZES))
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set(ylabel="test accuracy")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels))
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.savefig(path, dpi=100)


def scores(found, data, size, method, part=None) -> dict[int, float]:
    """The measure of a set, by draw."""
    measure = "balanced_accuracy" if data in WITH_RARE_CLASSES else "accuracy"
    rows = {
        draw: found.get((data, size, draw, method))
        for draw in range(SIZES[size])
    }
    return {
        draw: (row[part] if part else row)[measure]
        for draw, row in rows.items()
        if row
    }


def differences(found, cells) -> list[str]:
    """The recipe less the named baseline, the older recipe and a probe."""
    lines = [
        "| set, samples | best on validation | recipe less that "
        "| less the recipe of before | less the last layer |",
        "|---" * 5 + "|",
    ]
    columns: list[list[float]] = [[], [], []]
    behind = 0
    for data, size in cells:
        ours = scores(found, data, size, "recipe")
        named = {
            method: np.mean(list(values.values()))
            for method in NAMED
            if (values := scores(found, data, size, method, "validation"))
        }
        if not ours or not named:
            continue
        best = max(named, key=named.__getitem__)
        texts = []
        for index, method in enumerate(
            (best, "recipe of before", "probe of the last layer")
        ):
            theirs = scores(found, data, size, method)
            gains = [
                ours[draw] - theirs[draw] for draw in ours if draw in theirs
            ]
            if not gains:
                texts.append("")
                continue
            mean = float(np.mean(gains))
            columns[index].append(mean)
            error = float("nan")
            if len(gains) > 1:
                error = float(np.std(gains, ddof=1) / np.sqrt(len(gains)))
            behind += index == 0 and mean < -2 * error
            texts.append(f"{mean:+.3f} ± {error:.3f} ({len(gains)})")
        lines.append(f"| {data}, {size} | {best} | " + " | ".join(texts) + " |")
    means = [f"{np.mean(column):+.3f}" if column else "" for column in columns]
    lines.append("| mean | | " + " | ".join(means) + " |")
    lines.append("")
    lines.append(f"Behind by two standard errors: {behind} of {len(cells)}.")
    return lines


if __name__ == "__main__":
    main()
