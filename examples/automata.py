"""Reprograms cellular automata that grow a picture and that read digits.

Both are frozen neural cellular automata, trained once by `--train`; the files
in `examples/automata/` hold their weights. At every step of them, a program
changes the states of cells: one symmetric matrix for all of them, or a trained
rule in a tenth of the cells. The growing automaton is to exchange its colors,
or to lose its tail; the other is to take all digits for a three. What is done
is not done again: a run that was stopped continues.

    python examples/automata.py
    python examples/automata.py --train --automaton growing
"""

import argparse
import json
import pathlib
import time
from collections.abc import Callable
from collections.abc import Iterator

import common
import keras
import numpy as np
from keras import ops

import keras_reprogram
from keras_reprogram import inputs
from keras_reprogram import methods
from keras_reprogram import outputs
from keras_reprogram import sources

WEIGHTS = pathlib.Path(__file__).parent / "automata"
SIZE, CHANNELS, HIDDEN = 20, 16, 64
DIGIT_STEPS, DIGIT_CHANNELS, NUM_DIGITS = 20, 20, 10
TRAIN_DIGITS, WANTED = 4000, 3
GROWTH = 96  # steps after which a picture is compared
STRENGTHS = (0.25, 0.5, 0.75)
BLUE, ORANGE = (0.1, 0.35, 0.85), (0.95, 0.55, 0.1)


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "automata", preset=False)
    parser.add_argument("--train", action="store_true", help="train a source")
    parser.add_argument(
        "--automaton", choices=("growing", "digits"), nargs="+", default=None
    )
    parser.add_argument("--weights", type=pathlib.Path, default=WEIGHTS)
    parser.add_argument("--train-steps", type=int, default=3000)
    parser.add_argument("--steps", type=int, default=500, help="of programs")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    if options.quick:
        options.steps, options.seeds = 10, 1
        options.train_steps = min(options.train_steps, 10)
    options.output.mkdir(parents=True, exist_ok=True)
    for name in options.automaton or ("growing", "digits"):
        automaton = {"growing": Growing, "digits": Digits}[name]()
        if options.train:
            train_source(automaton, options)
        elif load(automaton.source, options.weights / f"{name}.npz"):
            reprogram(automaton, options)
        else:
            print(f"No weights of the {name} automaton: run it with --train.")


# === The automata ===


class Growing:
    """Grows a picture from one cell, and keeps it."""

    name, batch_size, training_steps = "growing", 4, 40
    tasks = {
        "colors exchanged": ("matrix", "injected"),
        "without tail": ("matrix",),
    }

    def __init__(self) -> None:
        self.living = sources.LivingCells()
        self.source = sources.cellular_automaton(
            (SIZE, SIZE, CHANNELS), sources.CellRule(HIDDEN), self.living
        )
        self.seed = np.zeros((1, SIZE, SIZE, CHANNELS), "float32")
        self.seed[:, SIZE // 2, SIZE // 2, 3:] = 1.0
        self.picture = tadpole(BLUE, ORANGE)
        self.wanted = {
            "colors exchanged": tadpole(ORANGE, BLUE),
            "without tail": tadpole(BLUE, None),
        }

    def trainable(self) -> keras.Model:
        """The source through many steps, as it is trained itself."""
        return keras_reprogram.ReprogrammedModel(
            self.source,
            inputs.Recurrence(self.training_steps),
            outputs.StateChannels(4),
            trainable_source_layers=["cells"],
            compile=False,
        )

    @staticmethod
    def loss(y: np.ndarray, colors: np.ndarray) -> np.ndarray:
        return ops.mean(ops.square(colors - y))

    def batches(self, generator: np.random.Generator) -> "Pool":
        return Pool(self.seed, self.picture, self.batch_size, generator)

    def program(self, kind: str, seed: int) -> keras.Model:
        return methods.neural_cellular_automata(
            self.source,
            num_steps=self.training_steps,
            transformation=transformation(kind, seed, 0, self.living, 3.0),
            living=self.living,
        )

    def program_batches(
        self, task: str, generator: np.random.Generator
    ) -> "Pool":
        picture = self.wanted[task]
        return Pool(self.seed, picture, self.batch_size, generator)

    def measured(self, model: keras.Model, task: str) -> dict[str, float]:
        """Squared error of the picture that grows, at two ages."""
        states = grown(model, self.seed, 2 * GROWTH)
        wanted = self.wanted[task]
        return {
            f"mse_at_{age}": float(
                np.mean((states[age][0, ..., :4] - wanted) ** 2)
            )
            for age in (GROWTH, 2 * GROWTH)
        }

    def draw(self, rows: dict[str, keras.Model], path: pathlib.Path) -> None:
        ages = (0, 12, 24, 36, 48, 72, 96, 144, 192)
        pictures = {}
        for name, model in rows.items():
            states = grown(model, self.seed, ages[-1])
            pictures[name] = [on_white(states[age][0]) for age in ages]
        strip(pictures, ages, path)


class Digits:
    """Cells of a digit's ink agree on which digit they are a part of."""

    name, batch_size, training_steps = "digits", 8, DIGIT_STEPS
    tasks = {f"all are {WANTED}": ("matrix", "injected")}

    def __init__(self) -> None:
        self.living = sources.LivingCells(channel=0, neighborhood=1)
        self.source = sources.cellular_automaton(
            (28, 28, DIGIT_CHANNELS),
            sources.CellRule(HIDDEN, fixed_channels=1),
            self.living,
        )
        images, labels = common.digits()
        order = np.random.default_rng(0).permutation(len(images))
        images, labels = images[order], labels[order]
        self.states = np.zeros((len(images), 28, 28, DIGIT_CHANNELS), "float32")
        self.states[..., :1] = images / 255
        self.labels = labels

    def trainable(self) -> keras.Model:
        return keras_reprogram.ReprogrammedModel(
            self.source,
            inputs.Recurrence(self.training_steps),
            outputs.StateChannels(DIGIT_CHANNELS),
            trainable_source_layers=["cells"],
            compile=False,
        )

    @staticmethod
    def loss(y: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Cross-entropy of all living cells: `y` is zero in the others."""
        likelihood = ops.log_softmax(states[..., -NUM_DIGITS:])
        y = y[..., -NUM_DIGITS:]
        return -ops.sum(y * likelihood) / ops.sum(y)

    def batches(self, generator: np.random.Generator) -> "Samples":
        def targets(rows: np.ndarray) -> np.ndarray:
            y = np.zeros_like(self.states[rows])
            ink = self.states[rows, ..., :1] > self.living.threshold
            digits = np.eye(NUM_DIGITS)[self.labels[rows]]
            y[..., -NUM_DIGITS:] = ink * digits[:, None, None]
            return y

        return Samples(self.states, targets, self.batch_size, generator)

    def program(self, kind: str, seed: int) -> keras.Model:
        return methods.neural_cellular_automata(
            self.source,
            NUM_DIGITS,
            self.training_steps,
            transformation(kind, seed, 1, self.living, None),
            self.living,
        )

    def program_batches(
        self, task: str, generator: np.random.Generator
    ) -> "Samples":
        def targets(rows: np.ndarray) -> np.ndarray:
            return np.full(len(rows), WANTED)

        return Samples(self.states, targets, self.batch_size, generator)

    def measured(self, model: keras.Model, task: str) -> dict[str, float]:
        """Shares of test digits, of which a tenth are the wanted one."""
        labels = self.labels[TRAIN_DIGITS:]
        found = model.predict(self.states[TRAIN_DIGITS:], verbose=0).argmax(1)
        return {
            "share_of_wanted": float(np.mean(found == WANTED)),
            "accuracy": float(np.mean(found == labels)),
        }

    def draw(self, rows: dict[str, keras.Model], path: pathlib.Path) -> None:
        ages = (0, 1, 2, 4, 8, 12, 16, 20)
        colors = common.pyplot().get_cmap("tab10")(np.arange(NUM_DIGITS))
        shown = [
            TRAIN_DIGITS + int(np.argmax(self.labels[TRAIN_DIGITS:] == digit))
            for digit in (0, 4, 7)
        ]
        pictures = {}
        for name, model in rows.items():
            for row in shown:
                states = grown(model, self.states[row : row + 1], ages[-1])
                pictures[f"{name}, {self.labels[row]}"] = [
                    of_classes(states[age][0], colors) for age in ages
                ]
        strip(pictures, ages, path)


def tadpole(body: tuple[float, ...], tail: tuple[float, ...] | None):
    """A picture of four channels: a disc, and a tail that curves."""
    down, along = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    disc = down**2 + (along + 3) ** 2 < 4.6**2
    middle = 2 * np.sin(along / 2)
    curve = (abs(down - middle) < 1.6) & (along > -1) & (along < 7) & ~disc
    picture = np.zeros((SIZE, SIZE, 4), "float32")
    picture[disc] = (*body, 1.0)
    if tail is not None:
        picture[curve] = (*tail, 1.0)
    return picture


def transformation(
    kind: str,
    seed: int,
    fixed_channels: int,
    living: sources.LivingCells,
    limit: float | None,
) -> inputs.StateTransformation:
    if kind == "matrix":
        return inputs.StateMatrix(limit, fixed_channels, living)
    return inputs.InjectedCells(
        0.1, fixed_channels=fixed_channels, living=living, seed=seed
    )


def grown(
    model: keras.Model, states: np.ndarray, steps: int
) -> list[np.ndarray]:
    return list(model.input_reprogrammer.trajectory(states, steps))


# === Training ===


class Samples:
    """Batches of states that are drawn from those of training."""

    def __init__(
        self,
        states: np.ndarray,
        targets: Callable[[np.ndarray], np.ndarray],
        batch_size: int,
        generator: np.random.Generator,
    ) -> None:
        self.states, self.targets = states[:TRAIN_DIGITS], targets
        self.batch_size, self.generator = batch_size, generator

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        rows = self.generator.integers(len(self.states), size=self.batch_size)
        return self.states[rows], self.targets(rows)

    def put(self, model: keras.Model) -> None:
        """States that a step has ended in are not used again."""


class Pool(Samples):
    """Batches of states that earlier steps of training have ended in.

    One of a batch starts anew from the seed; one has lost a part.
    """

    def __init__(
        self,
        seed: np.ndarray,
        picture: np.ndarray,
        batch_size: int,
        generator: np.random.Generator,
        size: int = 128,
    ) -> None:
        self.seed, self.batch_size, self.generator = seed, batch_size, generator
        self.states = np.repeat(seed, size, axis=0)
        self.picture = picture

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        self.rows = self.generator.choice(len(self.states), self.batch_size)
        batch = self.states[self.rows]
        batch[0] = self.seed[0]
        down, along = np.mgrid[:SIZE, :SIZE]
        y, x = self.generator.uniform(SIZE / 4, 3 * SIZE / 4, size=2)
        batch[1] *= ((down - y) ** 2 + (along - x) ** 2 > 9)[..., None]
        self.batch = batch
        return batch, np.repeat(self.picture[None], len(batch), axis=0)

    def put(self, model: keras.Model) -> None:
        self.states[self.rows] = model.predict_source(self.batch)


def train(
    model: keras.Model, batches: Samples, steps: int, start: int = 0
) -> Iterator[int]:
    """Trains a model, and yields the number of each step that is done."""
    progress = keras.utils.Progbar(steps)
    for step in range(start + 1, steps + 1):
        model.reset_metrics()
        loss = model.train_on_batch(*batches.take(), return_dict=True)["loss"]
        batches.put(model)
        progress.update(step, [("log10 of loss", np.log10(loss))])
        yield step


def train_source(
    automaton: Growing | Digits, options: argparse.Namespace
) -> None:
    print(f"\nThe {automaton.name} automaton is trained.")
    model = automaton.trainable()
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [2 * options.train_steps // 3], [2e-3, 2e-4]
    )
    optimizer = keras_reprogram.optimizers.NormalizedAdam(schedule)
    model.compile(optimizer, automaton.loss)
    optimizer.build(model.trainable_variables)
    state = options.output / f"{automaton.name}_training.npz"
    kept = [*automaton.source.weights, *optimizer.variables]
    if state.exists():
        with np.load(state) as file:
            for index, variable in enumerate(kept):
                variable.assign(file[f"value_{index}"])
    start = int(ops.convert_to_numpy(optimizer.iterations))
    batches = automaton.batches(np.random.default_rng(options.seed + start))
    options.weights.mkdir(parents=True, exist_ok=True)
    for step in train(model, batches, options.train_steps, start):
        if step % 100 == 0 or step == options.train_steps:
            values = [ops.convert_to_numpy(each.value) for each in kept]
            save(state, "value", values)
            weights = values[: len(automaton.source.weights)]
            halves = [each.astype("float16") for each in weights]
            save(options.weights / f"{automaton.name}.npz", "weight", halves)


def save(path: pathlib.Path, name: str, values: list[np.ndarray]) -> None:
    """Writes arrays to a file, which is never there in part."""
    part = path.with_suffix(".part.npz")
    np.savez_compressed(
        part, **{f"{name}_{index}": each for index, each in enumerate(values)}
    )
    part.replace(path)


def load(source: keras.Model, path: pathlib.Path) -> bool:
    """Whether there are weights, which the source then has."""
    if not path.exists():
        return False
    with np.load(path) as file:
        names = [f"weight_{index}" for index in range(len(source.weights))]
        source.set_weights([file[name].astype("float32") for name in names])
    return True


# === Programs ===


def reprogram(automaton: Growing | Digits, options: argparse.Namespace) -> None:
    path = options.output / "results.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    done = {(row["task"], row["method"], row["seed"]) for row in rows}
    for task, kinds in automaton.tasks.items():
        untrained = automaton.program("matrix", 0)
        drawn = {"source": untrained}
        for kind in ("source", *kinds):
            for seed in range(options.seed, options.seed + options.seeds):
                if kind == "source":
                    model, seconds = untrained, 0.0
                else:
                    model, seconds = trained(
                        automaton, task, kind, seed, options
                    )
                if seed == options.seed:
                    drawn[kind] = model
                if (task, kind, seed) in done:
                    continue
                row = {"task": task, "method": kind, "seed": seed}
                rows.append(
                    row | automaton.measured(model, task) | {"seconds": seconds}
                )
                path.write_text(json.dumps(rows, indent=2) + "\n")
        for strength in STRENGTHS:
            drawn[f"matrix, {strength}"] = interpolated(
                automaton, drawn["matrix"], strength
            )
        automaton.draw(drawn, options.output / f"{task.replace(' ', '_')}.png")
    for row in rows:
        print(row)


def trained(
    automaton: Growing | Digits,
    task: str,
    kind: str,
    seed: int,
    options: argparse.Namespace,
) -> tuple[keras.Model, float]:
    """A model with its program, from its file if it is there."""
    name = f"{automaton.name}_{task}_{kind}_{seed}.program".replace(" ", "_")
    path = options.output / name
    if path.exists():
        model = keras_reprogram.ReprogrammedModel.load_program(
            path, automaton.source
        )
        return model, 0.0
    print(f"\n{automaton.name}, {task}: {kind}, seed {seed}")
    keras.utils.set_random_seed(seed)
    start = time.perf_counter()
    model = automaton.program(kind, seed)
    batches = automaton.program_batches(task, np.random.default_rng(seed))
    for _ in train(model, batches, options.steps):
        pass
    model.save_program(path)
    return model, time.perf_counter() - start


def interpolated(
    automaton: Growing | Digits, model: keras.Model, strength: float
) -> keras.Model:
    """The model with `I + strength * (M - I)` instead of the matrix `M`."""
    copy = automaton.program("matrix", 0)
    offset = model.input_reprogrammer.transformation.offset
    copy.input_reprogrammer.transformation.offset.assign(strength * offset)
    return copy


# === Pictures ===


def on_white(state: np.ndarray) -> np.ndarray:
    colors, alpha = state[..., :3], np.clip(state[..., 3:4], 0, 1)
    return np.clip(1 - alpha + colors, 0, 1)


def of_classes(state: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Each cell in its ink, in the color of the class that it takes."""
    logits = state[..., -NUM_DIGITS:]
    ink = state[..., :1]
    color = np.where(
        logits.any(axis=-1, keepdims=True),
        colors[logits.argmax(axis=-1), :3],
        0.5,
    )
    return np.clip(1 - ink + ink * color, 0, 1)


def strip(
    pictures: dict[str, list[np.ndarray]],
    ages: tuple[int, ...],
    path: pathlib.Path,
) -> None:
    """Draws rows of pictures, one for each number of steps."""
    pyplot = common.pyplot()
    figure, grid = pyplot.subplots(
        len(pictures),
        len(ages),
        figsize=(1.2 * len(ages) + 1, 1.25 * len(pictures)),
        squeeze=False,
    )
    for axes, (name, row) in zip(grid, pictures.items()):
        axes[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for axis, picture in zip(axes, row):
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
    for axis, age in zip(grid[0], ages):
        axis.set_title(f"{age} steps", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    print(f"Wrote {path}")


if __name__ == "__main__":
    main()
