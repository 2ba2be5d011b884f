"""Four tasks served by one classifier, over a folder of images.

A program and a label map are trained for each of four questions about
handwritten digits: which digit it is, whether it is even, whether it has a
loop, and how it was turned. Each is a file of some 100 kB. A bank then holds
all four before one EfficientNet-Lite0 and goes through a folder of images in
batches, every image with the question in its file's name, as a service would
that many tasks share.

    python examples/bank.py
"""

import pathlib
from collections.abc import Sequence

import common
import keras
import numpy as np

import keras_reprogram
from keras_reprogram.inputs import InputReprogrammer

# Classes and the label of a digit, turned by some quarters.
TASKS = {
    "digit": (10, lambda digit, turn: digit),
    "even": (2, lambda digit, turn: digit % 2),
    "loop": (2, lambda digit, turn: np.isin(digit, (0, 4, 6, 8, 9)) * 1),
    "turn": (4, lambda digit, turn: turn),
}


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "bank")
    parser.add_argument("--canvas", type=int, default=64)
    parser.add_argument("--samples", type=int, default=300, help="of a task")
    parser.add_argument("--images", type=int, default=400, help="to answer")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()
    if options.quick:
        options.canvas, options.samples, options.images = 32, 60, 40
        options.epochs = 1
    keras.utils.set_random_seed(options.seed)
    classifier = common.load_classifier(options.preset)
    folder = options.output / "images"
    folder.mkdir(parents=True, exist_ok=True)
    images, digits = common.digits()
    order = np.random.default_rng(options.seed).permutation(len(digits))
    images, digits = images[order], digits[order]

    files, start = {}, 0
    for name in TASKS:
        rows = slice(start, start + options.samples)
        start += options.samples
        files[name] = options.output / f"{name}.program"
        train(
            classifier, name, images[rows], digits[rows], options
        ).save_program(files[name])
    draw_folder(folder, images[start:], digits[start:], options.images)

    bank = keras_reprogram.ProgramBank(
        classifier,
        sample_shape=(28, 28, 1),
        num_classes=max(classes for classes, _ in TASKS.values()),
        capacity=16,
        source_shape=(options.canvas, options.canvas, 3),
    )
    bank.add(files)
    samples = Folder(folder)
    answers = bank.answer(samples, samples.tasks, options.batch_size, verbose=1)
    right = (
        np.asarray([answer.argmax() for answer in answers]) == samples.labels
    )
    rows = []
    for name, file in files.items():
        mine = np.asarray(samples.tasks) == name
        rows.append(
            {
                "task": name,
                "images": int(mine.sum()),
                "test_accuracy": float(right[mine].mean()),
                "file_bytes": file.stat().st_size,
            }
        )
        print(rows[-1])
    common.write_results(rows, options.output)


def turned(images: np.ndarray, turns: np.ndarray) -> np.ndarray:
    return np.stack(
        [np.rot90(image, turn) for image, turn in zip(images, turns)]
    )


def train(classifier, name: str, images, digits, options):
    """A program and a linear map for one task."""
    classes, label_of = TASKS[name]
    turns = np.arange(len(digits)) % 4 if name == "turn" else 0 * digits
    model = keras_reprogram.ReprogrammedModel(
        classifier,
        InputReprogrammer((28, 28, 1), (options.canvas, options.canvas, 3)),
        keras_reprogram.LabelMapper(classes),
    )
    model.compile(
        keras.optimizers.Adam(3e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(
        turned(images, turns),
        label_of(digits, turns),
        batch_size=options.batch_size,
        epochs=options.epochs,
        verbose=0,
    )
    return model


def draw_folder(folder: pathlib.Path, images, digits, count: int) -> None:
    """Writes images named `number_task_label.png`."""
    for old in folder.glob("*.png"):
        old.unlink()
    for index in range(count):
        name = list(TASKS)[index % len(TASKS)]
        turn = index // len(TASKS) % 4 if name == "turn" else 0
        label = TASKS[name][1](digits[index], turn)
        keras.utils.save_img(
            folder / f"{index:05}_{name}_{label}.png",
            np.rot90(images[index], turn),
            scale=False,
        )


class Folder(Sequence):
    """The images of a folder, read when they are asked for."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.files = sorted(folder.glob("*.png"))
        names = [file.stem.split("_") for file in self.files]
        self.tasks = [name for _, name, _ in names]
        self.labels = np.asarray([int(label) for *_, label in names])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> np.ndarray:
        image = keras.utils.load_img(self.files[index], color_mode="grayscale")
        return keras.utils.img_to_array(image)


if __name__ == "__main__":
    main()
