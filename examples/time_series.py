"""Reprograms a tagger of music and a classifier of photographs for series.

Series of the UCR and UEA archives that `aeon` brings along, official splits,
are played to musicnn as sound (Voice2Series): stretched, twice in half a
second, with a pattern added to the waveform. Reprogramming by a trained map of
the tags, by the paper's fixed one of many tags to a class, and together with
the tagger's last layer, on the three tags most alike (Yen et al. 2021), is
compared with a linear probe on the tags of plain series, a small convolutional
network trained from scratch, the nearest neighbor, and MiniRocket, all at the
last epoch. EfficientNet-Lite0 looks at the same series drawn as pictures of
their differences: a linear map of all its stages, chosen on the training series
alone by `keras_reprogram.recipes.few_samples`, of the pictures, and of the
pictures and the sound together.

    pip install keras-reprogram[time-series] && pip install --no-deps musicnn
    python examples/time_series.py
"""

import time

import common
import keras
import numpy as np

import keras_reprogram
from keras_reprogram.inputs import ChannelConcatenation
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import SeriesPicture
from keras_reprogram.inputs import Tile
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.outputs import LinearMapping
from keras_reprogram.outputs import SimilarityMapping
from keras_reprogram.pretrained import MUSIC_TAGS

DATA_SETS = ("ArrowHead", "GunPoint", "ItalyPowerDemand", "BasicMotions")


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "time_series", preset=False)
    parser.add_argument("--data-sets", nargs="+", default=DATA_SETS)
    parser.add_argument("--methods", nargs="*", help="the trained ones")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=8000)
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--loudness", type=float, default=0.5)
    parser.add_argument("--canvas", type=int, default=65)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--fixed-epochs", type=int, default=16)
    parser.add_argument("--fixed-learning-rate", type=float, default=1e-2)
    parser.add_argument("--scratch-epochs", type=int, default=100)
    parser.add_argument(
        "--no-peers", action="store_true", help="without aeon's"
    )
    options = parser.parse_args()
    if options.quick:
        options.data_sets, options.seeds = ["GunPoint"], 1
        options.samples, options.scratch_epochs = 4000, 2
        options.epochs = options.fixed_epochs = 1
    sources = {
        activation: keras_reprogram.pretrained.musicnn_tagger(
            options.samples, classifier_activation=activation
        )
        for activation in (None, "sigmoid")
    }
    sources["stages"] = keras_reprogram.sources.stage_features(
        common.load_classifier(None), (options.canvas, options.canvas, 3)
    )

    rows = []
    for name in options.data_sets:
        train, test = load_series(name, options.quick)
        print(
            f"\n{name}: {train[0].shape} for training, {len(test[0])} for test"
        )
        for method, seed, result in compare(sources, train, test, options):
            row = {"data_set": name, "method": method, "seed": seed, **result}
            print(f"{method:>15}: {row['test_accuracy']:.3f}")
            rows.append(row)
    report(rows, options)


def load_series(name: str, quick: bool):
    """Series `(steps, channels)`, scaled by the training part alone."""
    try:
        from aeon.datasets import load_classification
    except ImportError as error:
        raise ImportError(
            "The series need aeon: `pip install keras-reprogram[time-series]`."
        ) from error
    parts = []
    for split in ("train", "test"):
        series, labels = load_classification(name, split=split)
        parts.append((series.transpose(0, 2, 1).astype("float32"), labels))
    classes = np.unique(parts[0][1])
    mean = parts[0][0].mean(axis=(0, 1))
    deviation = parts[0][0].std(axis=(0, 1))
    train, test = (
        ((series - mean) / deviation, np.searchsorted(classes, labels))
        for series, labels in parts
    )
    return train, tuple(array[: 40 if quick else None] for array in test)


def compare(sources, train, test, options):
    """Yields a method, its seed or `None`, and its result."""
    num_classes = int(train[1].max()) + 1
    probe, seconds = linear_probe(sources[None], train, num_classes, options)
    predictions = probe.predict(test[0], verbose=0).argmax(axis=1)
    result = {"test_accuracy": common.accuracy(test[1], predictions)}
    yield "linear probe", None, {**result, "seconds": seconds}
    for method, parts in drawn_and_heard(sources, train, options).items():
        if options.methods and method not in options.methods:
            continue
        start = time.perf_counter()
        model = keras_reprogram.recipes.few_samples(parts, *train, verbose=0)
        seconds = time.perf_counter() - start
        predictions = model.predict(test[0], verbose=0).argmax(axis=1)
        result = {"test_accuracy": common.accuracy(test[1], predictions)}
        chosen = model.label_mapper.cross_validation.chosen
        yield method, None, {**result, "seconds": seconds, "chosen": chosen}
    for method, seed, peer in peers(options):
        start = time.perf_counter()
        peer.fit(train[0].transpose(0, 2, 1), train[1])
        seconds = time.perf_counter() - start
        predictions = peer.predict(test[0].transpose(0, 2, 1))
        result = {"test_accuracy": common.accuracy(test[1], predictions)}
        yield method, seed, {**result, "seconds": seconds}
    for seed in range(options.seed, options.seed + options.seeds):
        keras.utils.set_random_seed(seed)
        shape = train[0].shape[1:]
        linear = LinearMapping(regularization="cross_validation")
        # The paper's map: the mean probability of as many tags as there can
        # be for each class, in their order.
        tags = len(MUSIC_TAGS) // num_classes
        rate = options.learning_rate
        trained = {
            "reprogrammed": (
                reprogrammed(
                    sources[None], options, shape, num_classes, linear
                ),
                dict(epochs=options.epochs, learning_rate=rate),
            ),
            "Voice2Series": (
                reprogrammed(
                    sources["sigmoid"],
                    options,
                    shape,
                    num_classes,
                    "identity",
                    sources_per_target=tags,
                ),
                dict(
                    epochs=options.fixed_epochs,
                    learning_rate=options.fixed_learning_rate,
                    from_logits=False,
                ),
            ),
            "Yen et al.": (
                reprogrammed(
                    # One of its own: its last layer is trained.
                    keras_reprogram.pretrained.musicnn_tagger(
                        options.samples, classifier_activation=None
                    ),
                    options,
                    shape,
                    num_classes,
                    SimilarityMapping(),
                    sources_per_target=3,
                    trainable_source_layers=1,
                ),
                dict(epochs=options.fixed_epochs, learning_rate=rate),
            ),
            "from scratch": (
                convolutional(shape, num_classes),
                dict(epochs=options.scratch_epochs, learning_rate=rate),
            ),
        }
        for method, (model, settings) in trained.items():
            if options.methods and method not in options.methods:
                continue
            result = common.train_and_score(
                model,
                train,
                test,
                common.accuracy,
                batch_size=options.batch_size,
                **settings,
            )
            yield method, seed, result


def drawn_and_heard(sources, train, options):
    """Pairs of a source and what is in front of it, for the recipe."""
    shape = train[0].shape[1:]
    drawn = {
        f"drawn by {scaling}": (
            sources["stages"],
            keras_reprogram.InputReprogrammer(
                target_shape=shape,
                placement=SeriesPicture("difference", scaling=scaling),
                pattern=None,
                value_range=(train[0].min(), train[0].max()),
            ),
        )
        # Without and with the level and the amplitude of a series.
        for scaling in ("channel", "value_range")
    }
    heard = (sources[None], input_reprogrammer(shape, options, pattern=False))
    return {"drawn": drawn, "drawn and heard": {**drawn, "heard": heard}}


def input_reprogrammer(shape, options, pattern: bool):
    """A series, its channels one after the other, in copies without a gap."""
    size = options.samples // options.copies
    placement = Pad(size) if options.copies == 1 else Tile(options.copies, size)
    # Without Voice2Series's dropout: a pattern with gaps is another sound than
    # the whole one of inference, which costs accuracy here.
    everywhere = UniversalPattern(activation=None, initializer="glorot_uniform")
    return keras_reprogram.InputReprogrammer(
        target_shape=shape,
        placement=ChannelConcatenation(placement),
        pattern=everywhere if pattern else None,
        value_range=None,
        scale=options.loudness,
        normalize_first=True,
    )


def reprogrammed(
    source,
    options,
    shape,
    num_classes,
    mapping,
    sources_per_target=1,
    trainable_source_layers=(),
):
    return keras_reprogram.ReprogrammedModel(
        source,
        input_reprogrammer(shape, options, pattern=True),
        keras_reprogram.LabelMapper(num_classes, mapping, sources_per_target),
        trainable_source_layers=trainable_source_layers,
    )


def linear_probe(source, train, num_classes, options):
    """Logistic regression on the tags' logits, its penalty cross-validated."""
    start = time.perf_counter()
    mapping = LinearMapping(regularization="cross_validation", trainable=False)
    model = keras_reprogram.ReprogrammedModel(
        source,
        input_reprogrammer(train[0].shape[1:], options, pattern=False),
        keras_reprogram.LabelMapper(num_classes, mapping),
    )
    model.adapt(*train)
    return model, time.perf_counter() - start


def convolutional(shape, num_classes) -> keras.Model:
    """A fully convolutional network of half the usual width."""
    inputs = x = keras.Input(shape)
    for filters, width in ((64, 8), (128, 5), (64, 3)):
        x = keras.layers.Conv1D(filters, width, padding="same")(x)
        # Statistics of the last steps: there are few of them.
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.Activation("relu")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, keras.layers.Dense(num_classes)(x))


def peers(options):
    """Classifiers of series `(channels, steps)` by aeon."""
    if options.no_peers:
        return
    from aeon.classification.convolution_based import MiniRocketClassifier
    from aeon.classification.distance_based import (
        KNeighborsTimeSeriesClassifier,
    )

    nearest = KNeighborsTimeSeriesClassifier(
        n_neighbors=1, distance="euclidean"
    )
    yield "1-NN", None, nearest
    for seed in range(options.seed, options.seed + options.seeds):
        yield "MiniRocket", seed, MiniRocketClassifier(random_state=seed)


def report(rows: list[dict], options) -> None:
    names = list(dict.fromkeys(row["method"] for row in rows))
    print("\nTest accuracy, mean and standard deviation over seeds")
    print(f"{'':>18}" + "".join(f"{name:>16}" for name in names))
    for data_set in options.data_sets:
        line = f"{data_set:>18}"
        for name in names:
            scores = [
                row["test_accuracy"]
                for row in rows
                if (row["method"], row["data_set"]) == (name, data_set)
            ]
            spread = f" ± {np.std(scores):.3f}" if len(scores) > 1 else ""
            line += f"{np.mean(scores):.3f}{spread}".rjust(16)
        print(line)
    common.write_results(rows, options.output)


if __name__ == "__main__":
    main()
