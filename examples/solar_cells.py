"""Finds defective solar cells with a reprogrammed ImageNet classifier.

Electroluminescence photographs of 2,624 solar cells, from the package
`elpv-dataset`: which ones are defective? The recipe for few samples,
reprogramming, linear probes and training from scratch are compared at several
numbers of labeled cells, by balanced accuracy on a fixed test split, at the
last epoch, over three seeds. Most cells are intact: in every method a class
counts as much as the other. All but the probes see the cells flipped and
shifted as well.

    python examples/solar_cells.py
"""

import time

import common
import keras
import numpy as np

import keras_reprogram

NUM_CLASSES = 2
TEST_CELLS = 600


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "solar_cells")
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 200, 1000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--canvas", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--scratch-epochs", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.seeds = [50], 1
        options.epochs = options.scratch_epochs = 1

    images, labels = load_cells(options.canvas)
    # One test split for all seeds: what varies is who is in training.
    order = np.random.default_rng(0).permutation(len(images))
    held_out = order[: 100 if options.quick else TEST_CELLS]
    test = images[held_out], labels[held_out]
    pool = order[TEST_CELLS:]
    classifier = common.load_classifier(options.preset)

    rows = []
    for size in options.sizes:
        for seed in range(options.seed, options.seed + options.seeds):
            keras.utils.set_random_seed(seed)
            chosen = stratified(pool, labels, size, seed)
            train = images[chosen], labels[chosen]
            print(f"\n{size} labeled cells, seed {seed}")
            for method, result in compare(
                classifier, train, test, options
            ).items():
                rows.append(
                    {
                        "method": method,
                        "train_cells": size,
                        "seed": seed,
                        **result,
                    }
                )
    report(rows, options)


def load_cells(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Gray images of `size` pixels; a cell is defective from one half on."""
    from elpv_dataset.utils import load_dataset

    photographs, probabilities, _ = load_dataset()
    images = keras.ops.image.resize(
        photographs[..., None].astype("float32"),
        (size, size),
        antialias=True,
        data_format="channels_last",
    )
    images = keras.ops.convert_to_numpy(images).clip(0, 255).astype("uint8")
    return images, (probabilities >= 0.5).astype("int64")


def stratified(
    pool: np.ndarray, labels: np.ndarray, size: int, seed: int
) -> np.ndarray:
    """Draws `size` cells with the classes in the pool's proportion."""
    generator = np.random.default_rng(seed)
    defective = round(size * labels[pool].mean())
    drawn = [
        generator.choice(pool[labels[pool] == label], count, replace=False)
        for label, count in ((0, size - defective), (1, defective))
    ]
    return generator.permutation(np.concatenate(drawn))


def balanced_accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    recalls = [
        np.mean(predictions[labels == label] == label)
        for label in np.unique(labels)
    ]
    return float(np.mean(recalls))


def canvases(options) -> list[int]:
    """Sizes of the input around the example's own, as the recipe's defaults.

    They are odd: networks that were trained with TensorFlow pad one side more
    at even sizes.
    """
    steps = max(options.canvas // 32, 1)
    if options.quick:
        return [32 * steps + 1]
    return [32 * step + 1 for step in range(max(steps - 1, 1), steps + 2)]


def flips_and_shifts() -> keras.layers.Layer:
    """A cell is one from either side."""
    flip = keras.layers.RandomFlip("horizontal_and_vertical")
    return keras.Sequential([flip, keras_reprogram.inputs.RandomShift()])


def compare(classifier, train, test, options) -> dict[str, dict]:
    target_shape = train[0].shape[1:]
    source_shape = (options.canvas, options.canvas, 3)
    batch_size = min(32, max(8, len(train[0]) // 8))
    class_weight = common.balanced_class_weight(train[1])

    def trained(model, epochs):
        return common.train_and_score(
            model,
            train,
            test,
            balanced_accuracy,
            epochs,
            batch_size,
            options.learning_rate,
            class_weight=class_weight,
        )

    def probed(source):
        return common.linear_probe(
            source,
            source_shape,
            train,
            test,
            NUM_CLASSES,
            balanced_accuracy,
            class_weight,
        )

    def chosen():
        start = time.perf_counter()
        model = keras_reprogram.recipes.few_samples(
            classifier,
            *train,
            num_classes=NUM_CLASSES,
            class_weight="balanced",
            canvases=canvases(options),
            augmentation=flips_and_shifts(),
        )
        seconds = time.perf_counter() - start
        return common.scored(model, test, balanced_accuracy, seconds)

    reprogrammed = keras_reprogram.ReprogrammedModel(
        classifier,
        keras_reprogram.InputReprogrammer(
            target_shape, source_shape, augmentation=flips_and_shifts()
        ),
        keras_reprogram.LabelMapper(NUM_CLASSES),
    )
    stages = keras_reprogram.sources.stage_features(classifier, source_shape)
    scratch = common.untrained(
        classifier,
        target_shape,
        source_shape,
        NUM_CLASSES,
        flips_and_shifts(),
    )
    return {
        "recipe": chosen(),
        "reprogrammed": trained(reprogrammed, options.epochs),
        "probe of stages": probed(stages),
        "linear probe": probed(classifier),
        "from scratch": trained(scratch, options.scratch_epochs),
    }


def report(rows: list[dict], options) -> None:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    print("\nBalanced accuracy, mean and standard deviation over seeds")
    print(f"{'cells':>6}" + "".join(f"{method:>18}" for method in methods))
    pyplot = common.pyplot()
    figure, axis = pyplot.subplots(figsize=(6, 4), layout="constrained")
    summary = {method: [] for method in methods}
    for size in options.sizes:
        line = f"{size:6}"
        for method in methods:
            scores = [
                row["test_accuracy"]
                for row in rows
                if (row["method"], row["train_cells"]) == (method, size)
            ]
            summary[method].append((np.mean(scores), np.std(scores)))
            line += f"{np.mean(scores):11.3f} ± {np.std(scores):.3f}"
        print(line)
    for method, values in summary.items():
        means, spreads = zip(*values, strict=True)
        axis.errorbar(
            options.sizes, means, spreads, marker="o", capsize=3, label=method
        )
    axis.set(
        xscale="log",
        xlabel="labeled cells",
        ylabel="balanced accuracy",
        title="Defective solar cells",
    )
    axis.legend()
    common.write_results(rows, options.output)
    figure.savefig(options.output / "solar_cells.png", dpi=100)
    print(f"Wrote {options.output / 'solar_cells.png'}")


if __name__ == "__main__":
    main()
