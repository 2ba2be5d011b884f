"""Gives classes to a generator that was trained without labels.

A small generator of handwritten digits was trained once on 4,000 of them,
without their labels, by `--train`; `examples/generators/` holds its weights,
those of its discriminator and those of the classifier that measures. InRep+
makes it draw a wanted digit, from 1 % or 10 % of the labels: beside the same
network fine-tuned, and trained from the labeled digits alone. What is done is
not done again: a run that was stopped continues.

    python examples/generators.py
    python examples/generators.py --train --data garments --weights output/mine
"""

import argparse
import json
import pathlib
from collections.abc import Callable
from typing import Any

import common
import keras
import numpy as np
from keras import layers

import keras_reprogram
from keras_reprogram import generators
from keras_reprogram import inputs
from keras_reprogram import outputs

WEIGHTS = pathlib.Path(__file__).parent / "generators"
SHAPE, NOISE, NUM_CLASSES = (28, 28, 1), 64, 10
NUM_TRAIN, BATCH, STEPS_PER_EPOCH = 4000, 64, 50
DRAWN, COLUMNS = 300, 8  # samples a class, measured and shown
# The first is the better one of 0.0004 and 0.002 for each method, on a draw of
# labels that is none of those measured.
RATE, SOURCE_RATE = 2e-3, 4e-4


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "generators", preset=False)
    parser.add_argument("--train", action="store_true", help="train a source")
    parser.add_argument(
        "--data", choices=("digits", "garments"), default="digits"
    )
    parser.add_argument("--weights", type=pathlib.Path)
    parser.add_argument("--train-epochs", type=int, default=120)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--shares", type=float, nargs="+", default=[0.01, 0.1], help="of labels"
    )
    options = parser.parse_args()
    if options.quick:
        options.train_epochs, options.seeds, options.steps = 1, 1, 10
        options.shares = options.shares[:1]
    options.weights = common.weights_folder(options, WEIGHTS)
    task = Task(options)
    if options.train:
        task.train()
        return
    rows = task.reference_rows()
    for share in options.shares:
        for seed in range(options.seed, options.seed + options.seeds):
            for name in METHODS:
                rows.append(task.row(name, share, seed))
        draw(task, share, options.output / f"{options.data}_{share}.png")
    for row in rows:
        print(row)
    common.write_results(rows, options.output)


class Task:
    """Real samples, the networks that know them, and what is measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        images, labels = load(options.data)
        images = images.astype("float32") / 127.5 - 1.0
        self.images, self.labels = images[:NUM_TRAIN], labels[:NUM_TRAIN]
        self.held_out = images[NUM_TRAIN:], labels[NUM_TRAIN:]
        # The last model of each method, for pictures.
        self.shown: dict[str, generators.ConditionalGenerator] = {}
        self.generator, self.classifier = generator(), classifier()
        self.features = generators.image_features(SHAPE)
        self.measured = keras.Model(
            self.classifier.input,
            [
                self.classifier.output,
                self.classifier.get_layer("features").output,
            ],
        )
        if not options.train:
            for name, network in self.networks.items():
                network.set_weights(self.stored(name))

    @property
    def networks(self) -> dict[str, keras.Model]:
        return {
            "generator": self.generator,
            "features": self.features,
            "classifier": self.classifier,
        }

    # === The source ===

    def path(self, name: str) -> pathlib.Path:
        return self.options.weights / f"{self.options.data}_{name}.npz"

    def stored(self, name: str) -> list[np.ndarray]:
        weights = common.stored(self.path(name))
        if not weights:
            raise SystemExit(
                f"There are no weights {self.path(name)}: run this with "
                "--train."
            )
        return weights

    def train(self) -> None:
        """Trains the classifier, and the generator without labels."""
        options = self.options
        keras.utils.set_random_seed(options.seed)
        self.classifier.compile(
            "adam",
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        self.classifier.fit(
            self.images,
            self.labels,
            epochs=1 if options.quick else 12,
            validation_data=self.held_out,
            verbose=2,
        )
        # One class is none.
        noise = keras.Input((NOISE,), name="noise")
        label = keras.Input((), name="labels", dtype="int32")
        model = generators.ConditionalGenerator(
            keras.Model(
                {"noise": noise, "labels": label}, self.generator(noise)
            ),
            generators.ProjectionDiscriminator(self.features, 1),
            NOISE,
            positive_unlabeled=False,
            seed=options.seed,
        )
        steps = options.train_epochs * (NUM_TRAIN // BATCH)
        model.compile(adam(steps, SOURCE_RATE))
        model.fit(
            self.images,
            np.zeros(NUM_TRAIN, "int32"),
            batch_size=BATCH,
            epochs=options.train_epochs,
            verbose=2,
            callbacks=[
                keras.callbacks.BackupAndRestore(
                    options.output / f"{options.data}_backup"
                )
            ],
        )
        for name, network in self.networks.items():
            path = self.path(name)
            # Half the size, and as good.
            values = [
                value.astype("float16") for value in network.get_weights()
            ]
            common.store(path, values)
            print(f"Wrote {path}: {path.stat().st_size / 1e6:.2f} MB")

    # === Rows ===

    def row(self, name: str, share: float, seed: int) -> dict[str, Any]:
        """Trains a method, or reads what a run before has found."""
        options = self.options
        source = common.digest(self.generator.get_weights())
        stem = f"{options.data}_{source}_{name}_{share}_{options.steps}_{seed}"
        path = options.output / f"{stem.replace(' ', '_')}.json"
        weights = path.with_suffix(".weights.h5")
        model = METHODS[name](self, seed, options.steps)
        if path.exists():
            model.load_weights(weights)
            self.shown[name] = model
            return json.loads(path.read_text())
        print(f"\n{name}, {share:.0%} of the labels, seed {seed}")
        keras.utils.set_random_seed(seed)
        images, labels = self.labeled(share, seed)
        # Many times the same few samples, so that an epoch is not a moment.
        number = BATCH * min(STEPS_PER_EPOCH, options.steps)
        rows = np.resize(np.arange(len(labels)), number)
        model.fit(
            images[rows],
            labels[rows],
            batch_size=BATCH,
            epochs=max(1, options.steps // STEPS_PER_EPOCH),
            verbose=2,
        )
        row = {
            "data": options.data,
            "labels": len(labels),
            "seed": seed,
            "method": name,
            **self.scores(*self.drawn(model, seed)),
            "trained": sum(
                int(np.prod(each.shape))
                for each in model.generator.trainable_variables
            ),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save_weights(weights)
        path.write_text(json.dumps(row))
        self.shown[name] = model
        return row

    def labeled(self, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """As many labeled samples of each class."""
        number = round(share * NUM_TRAIN / NUM_CLASSES)
        generator = np.random.default_rng(seed)
        rows = np.concatenate(
            [
                generator.permutation(np.flatnonzero(self.labels == label))[
                    :number
                ]
                for label in range(NUM_CLASSES)
            ]
        )
        return self.images[rows], self.labels[rows]

    def drawn(
        self, model: generators.ConditionalGenerator, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        labels = np.repeat(np.arange(NUM_CLASSES), DRAWN)
        return model.generate(labels, seed), labels

    def scores(
        self, images: np.ndarray, labels: np.ndarray
    ) -> dict[str, float]:
        """Accuracy of the classifier, and its distance from real samples."""
        logits, features = self.measured.predict(images, verbose=0)
        _, real = self.measured.predict(self.images, verbose=0)
        distances = [
            keras_reprogram.diagnostics.frechet_distance(
                features[labels == label], real[self.labels == label]
            )
            for label in range(NUM_CLASSES)
        ]
        return {
            "accuracy": common.accuracy(labels, logits.argmax(axis=-1)),
            "frechet_distance": float(np.mean(distances)),
        }

    def reference_rows(self) -> list[dict[str, Any]]:
        """What real samples reach, and the generator with labels at random."""
        noise = np.random.default_rng(0).standard_normal(
            (NUM_CLASSES * DRAWN, NOISE), "float32"
        )
        labels = np.arange(len(noise)) % NUM_CLASSES
        drawn = self.generator.predict(noise, verbose=0)
        return [
            {"method": "real samples", **self.scores(*self.held_out)},
            {"method": "the source", **self.scores(drawn, labels)},
        ]


# === Methods ===


def conditional(
    source: keras.Model,
    features: keras.Model,
    seed: int,
    steps: int,
    frozen: bool = True,
) -> generators.ConditionalGenerator:
    """A generator of classes, of which all or only its input is trained."""
    noise = inputs.ConditionalNoise(NUM_CLASSES, seed=seed)
    model = generators.ConditionalGenerator(
        keras_reprogram.ReprogrammedModel(
            source,
            noise,
            outputs.SourceNumbers(),
            trainable_source_layers=[]
            if frozen
            else [layer.name for layer in source.layers if layer.weights],
            compile=False,
        ),
        generators.ProjectionDiscriminator(features, NUM_CLASSES),
        noise.noise_dim,
        # The others are conditional generators as usual.
        positive_unlabeled=frozen,
        seed=seed,
    )
    model.compile(adam(steps, RATE))
    return model


def reprogrammed(
    task: Task, seed: int, steps: int
) -> generators.ConditionalGenerator:
    features = generators.image_features(SHAPE)
    return conditional(copied(task.generator), features, seed, steps)


def reprogrammed_without_share(
    task: Task, seed: int, steps: int
) -> generators.ConditionalGenerator:
    model = reprogrammed(task, seed, steps)
    model.positive_unlabeled = False
    return model


def fine_tuned(
    task: Task, seed: int, steps: int
) -> generators.ConditionalGenerator:
    networks = copied(task.generator), copied(task.features)
    return conditional(*networks, seed, steps, frozen=False)


def from_scratch(
    task: Task, seed: int, steps: int
) -> generators.ConditionalGenerator:
    networks = generator(), generators.image_features(SHAPE)
    return conditional(*networks, seed, steps, frozen=False)


METHODS: dict[
    str, Callable[[Task, int, int], generators.ConditionalGenerator]
] = {
    "InRep+": reprogrammed,
    "InRep+, pi = 0": reprogrammed_without_share,
    "fine-tuned": fine_tuned,
    "from scratch": from_scratch,
}


# === Networks ===


def generator() -> keras.Model:
    """From noise to images, by two transposed convolutions."""
    noise = keras.Input((NOISE,))
    states = layers.Dense(7 * 7 * 64, use_bias=False)(noise)
    states = layers.Reshape((7, 7, 64))(states)
    states = layers.ReLU()(layers.BatchNormalization()(states))
    states = layers.Conv2DTranspose(
        32, 4, strides=2, padding="same", use_bias=False
    )(states)
    states = layers.ReLU()(layers.BatchNormalization()(states))
    images = layers.Conv2DTranspose(
        1, 4, strides=2, padding="same", activation="tanh"
    )(states)
    return keras.Model(noise, images)


def classifier() -> keras.Model:
    images = keras.Input(SHAPE)
    states = images
    for width in (16, 32):
        states = layers.Conv2D(width, 3, activation="relu")(states)
        states = layers.MaxPooling2D()(states)
    states = layers.Dropout(0.3)(layers.Flatten()(states))
    states = layers.Dense(64, activation="relu", name="features")(states)
    return keras.Model(images, layers.Dense(NUM_CLASSES)(states))


def copied(network: keras.Model) -> keras.Model:
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    return copy


def adam(steps: int, rate: float) -> keras.optimizers.Adam:
    """The paper's optimizer: its rate falls to zero along a line."""
    schedule = keras.optimizers.schedules.PolynomialDecay(
        rate, max(1, steps), 0.0
    )
    return keras.optimizers.Adam(schedule, beta_1=0.0, beta_2=0.9)


# === Data and pictures ===


def load(data: str) -> tuple[np.ndarray, np.ndarray]:
    """5,000 images and labels, in an order of their own."""
    if data == "digits":
        images, labels = common.digits()
    else:
        images, labels = keras.datasets.fashion_mnist.load_data()[1]
        images = images[..., None]
    rows = np.random.default_rng(0).permutation(len(labels))[:5000]
    return images[rows], labels[rows]


def draw(task: Task, share: float, path: pathlib.Path) -> None:
    """Writes a picture of samples of all classes, a block for each method."""
    pyplot = common.pyplot()
    images, labels = task.labeled(share, 0)
    rows = [
        np.resize(images[labels == label], (COLUMNS, *SHAPE))
        for label in range(NUM_CLASSES)
    ]
    blocks = {"labeled": np.stack(rows)}
    for name, model in task.shown.items():
        drawn = model.generate(np.repeat(np.arange(NUM_CLASSES), COLUMNS))
        blocks[name] = drawn.reshape(NUM_CLASSES, COLUMNS, *SHAPE)
    figure, axes = pyplot.subplots(
        1, len(blocks), figsize=(3 * len(blocks), 4), layout="constrained"
    )
    for axis, (name, block) in zip(axes, blocks.items()):
        picture = (
            block[..., 0]
            .transpose(0, 2, 1, 3)
            .reshape(NUM_CLASSES * SHAPE[0], COLUMNS * SHAPE[1])
        )
        axis.imshow(picture, cmap="gray", vmin=-1.0, vmax=1.0)
        axis.set_title(name)
        axis.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
    print(f"Wrote {path}")


if __name__ == "__main__":
    main()
