"""Corrects the samples of one population for a regressor of another.

Ten people did exercises of the shoulder with a watch on the wrist, from the
package `seglearn` (arXiv:1802.01489). From the acceleration along three axes
within 1.6 seconds, a network predicts how fast the wrist turns about its second
axis in the middle. It is trained on right arms, and used for left arms, which
are turned the other way. By ReMAP (arXiv 2403.06569) a small network corrects
the acceleration; it is compared with the source as it is, with fine-tuning all
of it, and with the same network trained on the left arms alone.

The source is trained on the right arms of five people, labeled windows are of
their left arms, and test windows of the left arms of the others; the seed moves
people from one half to the other. Scores are R2, the explained share of the
variance, after the last epoch.

    pip install keras-reprogram[examples]
    pip install --no-deps seglearn
    python examples/populations.py
"""

import time

import common
import keras
import numpy as np

import keras_reprogram

WINDOW = 80  # readings, of 1.6 seconds
STRIDE = 40
AXIS = 4  # the second one of the angular velocity, behind the acceleration
RIGHT, LEFT = 1, 0
CORRECTION_RATE = 1e-2


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "populations", preset=False)
    parser.add_argument(
        "--labeled", type=int, nargs="+", default=[10, 30, 100, 300]
    )
    parser.add_argument("--source-epochs", type=int, default=8)
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3, help="from --seed")
    options = parser.parse_args()
    if options.quick:
        options.labeled, options.updates, options.seeds = [10], 4, 1
        options.source_epochs = 1

    rows = []
    for seed in range(options.seed, options.seed + options.seeds):
        keras.utils.set_random_seed(seed)
        groups = populations(seed)
        source = network()
        train(source, *groups["source"], options.source_epochs, 1e-3)
        rows.append(row("the source, right arms", 0, seed, source, groups))
        rows[-1]["r2_of_source"] = r2(source, *groups["source test"])
        for count in options.labeled:
            rows += of_count(count, seed, source, groups, options)
    report(rows)
    common.write_results(rows, options.output)


def of_count(count, seed, source, groups, options) -> list[dict]:
    """The rows of all methods with so many labeled windows."""
    x, y = (values[:count] for values in groups["labeled"])
    epochs = max(1, options.updates // max(1, count // 32))
    rows = []

    def add(name: str, model: keras.Model, start: float) -> None:
        rows.append(row(name, count, seed, model, groups))
        rows[-1]["seconds"] = time.perf_counter() - start
        rows[-1]["trainable_parameters"] = common.trained_values(model)
        print(count, name, f"{rows[-1]['test_r2']:.3f}", flush=True)

    start, tuned = time.perf_counter(), network()
    tuned.set_weights(source.get_weights())
    train(tuned, x, y, epochs, 1e-3)
    add("fine-tuned", tuned, start)
    start, direct = time.perf_counter(), network()
    train(direct, x, y, epochs, 1e-3)
    add("trained on left arms alone", direct, start)

    corrections = {
        "nearest": lambda: keras_reprogram.models.nearest_source_inputs(
            y, *groups["source"]
        ),
        "inversion": lambda: keras_reprogram.models.inverted_inputs(
            source, x, y
        ),
        "targets alone": None,
    }
    for name, corrected_inputs in corrections.items():
        start = time.perf_counter()
        model = keras_reprogram.methods.remap(source, (WINDOW, 3), seed=seed)
        if corrected_inputs is None:
            train(model, x, y, epochs, CORRECTION_RATE)
        else:
            keras_reprogram.models.fit_correction(
                model,
                x,
                y,
                corrected_inputs(),
                epochs // 2,
                epochs // 2,
                learning_rate=CORRECTION_RATE,
            )
        add(f"ReMAP, {name}", model, start)
    return rows


def populations(seed: int) -> dict:
    """Windows and targets, in units of those of the source."""
    folder = common.package_folder("seglearn", "--no-deps")
    path = folder / "data" / "watch_dataset.npy"
    content = np.load(path, allow_pickle=True).item()
    parts = [
        np.lib.stride_tricks.sliding_window_view(
            readings, WINDOW, axis=0
        ).transpose(0, 2, 1)[::STRIDE]
        for readings in content["X"]
    ]
    counts = [len(part) for part in parts]
    windows = np.concatenate(parts).astype("float32")
    sides = np.repeat(content["side"], counts)
    people = np.repeat(content["subject"], counts)
    names = np.unique(people)
    is_known = np.isin(people, np.roll(names, -seed)[: len(names) // 2])
    x, y = windows[:, :, :3], windows[:, WINDOW // 2, AXIS, None]
    chosen = (sides == RIGHT) & is_known
    x = (x - x[chosen].mean(axis=(0, 1))) / x[chosen].std(axis=(0, 1))
    y = (y - y[chosen].mean()) / y[chosen].std()
    order = np.random.default_rng(seed).permutation(len(x))

    def group(side: int, known: bool) -> tuple[np.ndarray, np.ndarray]:
        picked = order[((sides == side) & (is_known == known))[order]]
        return x[picked], y[picked]

    return {
        "source": group(RIGHT, True),
        "source test": group(RIGHT, False),
        "labeled": group(LEFT, True),
        "test": group(LEFT, False),
    }


def network() -> keras.Model:
    """A small convolutional network."""
    inputs = keras.Input((WINDOW, 3))
    x = keras.layers.Conv1D(32, 7, 2, "same", activation="relu")(inputs)
    x = keras.layers.Conv1D(64, 5, 2, "same", activation="relu")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(64, "relu")(x)
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def train(model, x, y, epochs: int, rate: float) -> None:
    common.train(model, (x, y), "mse", epochs, 32, rate, verbose=0)


def r2(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    errors = model.predict(x, batch_size=256, verbose=0) - y
    return float(1 - np.mean(errors**2) / np.var(y))


def row(name: str, count: int, seed: int, model, groups: dict) -> dict:
    return {
        "method": name,
        "labeled": count,
        "seed": seed,
        "test_r2": r2(model, *groups["test"]),
    }


def report(rows: list[dict]) -> None:
    """Prints mean and spread over seeds, a column for each number of labels."""
    counts = sorted({row["labeled"] for row in rows} - {0})
    print(f"\n| method | {' | '.join(map(str, counts))} |")
    print("|---|" + "---:|" * len(counts))
    for method in dict.fromkeys(row["method"] for row in rows):
        cells = []
        for count in counts:
            scores = [
                row["test_r2"]
                for row in rows
                if row["method"] == method and row["labeled"] in (0, count)
            ]
            cells.append(f"{np.mean(scores):.3f} ± {np.std(scores):.3f}")
        print(f"| {method} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
