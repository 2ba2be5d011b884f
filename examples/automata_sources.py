"""The automata of `automata.py`: what they are, and how they are trained."""

import argparse
import pathlib
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

SIZE = 20
NUM_DIGITS, TRAIN_DIGITS, WANTED = 10, 4000, 3
NUM_READ_BY_CELL = 200
GROWTH = 80  # steps after which a picture is compared
BLUE, ORANGE = (0.1, 0.35, 0.85), (0.95, 0.55, 0.1)


class Automaton:
    """A source, data to train it, and tasks for which it is reprogrammed.

    Attributes:
        name: String. The name of its file of weights.
        tasks: Dictionary. The kinds of programs that are tried for each task.
        num_steps: Integer. Steps of a sample in training.
        batch_size: Integer.
        fixed_channels: Integer. First channels that do not change.
        num_classes: Integer or `None`. See `neural_cellular_automata`.
        learning_rate: Float. Of programs, falling to a tenth.
        limit: Float. A matrix keeps states within it, as the source does.
        living: A `LivingCells`.
        mapping: The output mapping with which the source itself is trained.
        source: The model of one step.
    """

    name: str
    tasks: dict[str, tuple[str, ...]]
    num_steps: int
    batch_size: int
    fixed_channels = 0
    num_classes: int | None = None
    learning_rate = 1e-3
    limit: float
    living: sources.LivingCells
    mapping: outputs.OutputMapping
    source: keras.Model

    def trainable(self) -> keras.Model:
        """The source through all steps, to be trained itself."""
        return keras_reprogram.ReprogrammedModel(
            self.source,
            inputs.Recurrence(self.num_steps),
            self.mapping,
            trainable_source_layers=["cells"],
            compile=False,
        )

    def program(
        self, kind: str, seed: int = 0, train_steps: int = 500
    ) -> keras.Model:
        """The source with a program that is not trained yet."""
        schedule = keras.optimizers.schedules.CosineDecay(
            self.learning_rate, train_steps, alpha=0.1
        )
        settings = {
            "fixed_channels": self.fixed_channels,
            "living": self.living,
        }
        return methods.neural_cellular_automata(
            self.source,
            self.num_classes,
            self.num_steps,
            inputs.StateMatrix(self.limit, **settings)
            if kind == "matrix"
            else inputs.InjectedCells(0.1, seed=seed, **settings),
            self.living,
            schedule,
        )

    def loss(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """The loss of the source's own training."""
        raise NotImplementedError

    def batches(self, task: str | None, seed: int) -> "Samples":
        """Data of a task, or of the source's own training."""
        raise NotImplementedError

    def measured(self, model: keras.Model, task: str) -> dict[str, float]:
        raise NotImplementedError


class Growing(Automaton):
    """Grows a picture from one cell, and keeps it."""

    name, num_steps, batch_size, limit = "growing", 40, 4, 64.0
    tasks = {
        "colors exchanged": ("matrix", "injected"),
        "without tail": ("matrix", "injected"),
    }

    def __init__(self) -> None:
        self.living = sources.LivingCells()
        self.mapping = outputs.StateChannels(4)
        self.source = sources.cellular_automaton(
            (SIZE, SIZE, 16), sources.CellRule(64), self.living
        )
        self.seed = np.zeros((1, SIZE, SIZE, 16), "float32")
        self.seed[:, SIZE // 2, SIZE // 2, 3:] = 1.0
        self.pictures = {
            None: tadpole(BLUE, ORANGE),
            "colors exchanged": tadpole(ORANGE, BLUE),
            "without tail": tadpole(BLUE, None),
        }

    def loss(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        return ops.mean(ops.square(predictions - y))

    def batches(self, task: str | None, seed: int) -> "Pool":
        return Pool(self.seed, self.pictures[task], self.batch_size, seed)

    def measured(self, model: keras.Model, task: str) -> dict[str, float]:
        """Squared error of the picture that grows, at two ages."""
        states = states_of(model, self.seed, 2 * GROWTH)
        errors = {
            age: (states[age][0, ..., :4] - self.pictures[task]) ** 2
            for age in (GROWTH, 2 * GROWTH)
        }
        return {
            f"mse_at_{age}": float(np.mean(each))
            for age, each in errors.items()
        }


class Digits(Automaton):
    """Cells in the ink of a digit agree on which one they are a part of."""

    name, num_steps, batch_size, limit = "digits", 20, 8, 256.0
    tasks = {f"all are {WANTED}": ("matrix", "injected")}
    fixed_channels, num_classes = 1, NUM_DIGITS

    def __init__(self) -> None:
        self.living = sources.LivingCells(channel=0, neighborhood=1)
        self.mapping = outputs.StateChannels(20)
        self.source = sources.cellular_automaton(
            (28, 28, 20), sources.CellRule(64, self.fixed_channels), self.living
        )
        images, labels = common.digits()
        order = np.random.default_rng(0).permutation(len(images))
        self.states = np.zeros((len(images), 28, 28, 20), "float32")
        self.states[..., :1] = images[order] / 255
        self.labels = labels[order]

    def loss(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Cross-entropy of all living cells: `y` is zero in the others."""
        likelihood = ops.log_softmax(predictions[..., -NUM_DIGITS:])
        y = y[..., -NUM_DIGITS:]
        return -ops.sum(y * likelihood) / ops.sum(y)

    def batches(self, task: str | None, seed: int) -> "Samples":
        def of_cells(rows: np.ndarray) -> np.ndarray:
            y = np.zeros_like(self.states[rows])
            ink = self.states[rows, ..., :1] > self.living.threshold
            digits = np.eye(NUM_DIGITS)[self.labels[rows]]
            y[..., -NUM_DIGITS:] = ink * digits[:, None, None]
            return y

        def wanted(rows: np.ndarray) -> np.ndarray:
            return np.full(len(rows), WANTED)

        targets = of_cells if task is None else wanted
        return Samples(self.states, targets, self.batch_size, seed)

    def measured(self, model: keras.Model, task: str) -> dict[str, float]:
        """Shares of test digits, of which about a tenth are the wanted one.

        The share of cells is of all those in the ink of some digits: most of
        a digit's cells can decide.
        """
        states, labels = self.states[TRAIN_DIGITS:], self.labels[TRAIN_DIGITS:]
        found = model.predict(states, verbose=0).argmax(1)
        some = states[:NUM_READ_BY_CELL]
        last = states_of(model, some, self.num_steps)[-1]
        of_cells = last[..., -NUM_DIGITS:].argmax(-1)
        ink = some[..., 0] > self.living.threshold
        return {
            "share_of_wanted": float(np.mean(found == WANTED)),
            "share_of_cells": float(np.mean(of_cells[ink] == WANTED)),
            "accuracy": float(np.mean(found == labels)),
        }


def tadpole(
    body: tuple[float, ...], tail: tuple[float, ...] | None
) -> np.ndarray:
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


def states_of(
    model: keras.Model, states: np.ndarray, steps: int
) -> list[np.ndarray]:
    """The states before, between and after the steps of a model."""
    return list(model.input_reprogrammer.trajectory(states, steps))


# === Data ===


class Samples:
    """Batches that are drawn from the states of training."""

    def __init__(
        self,
        states: np.ndarray,
        targets: Callable[[np.ndarray], np.ndarray],
        batch_size: int,
        seed: int,
    ) -> None:
        self.states, self.targets = states[:TRAIN_DIGITS], targets
        self.batch_size = batch_size
        self.generator = np.random.default_rng(seed)

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        rows = self.generator.integers(len(self.states), size=self.batch_size)
        return self.states[rows], self.targets(rows)

    def put(self, model: keras.Model) -> None:
        """What a batch has become is not used again."""


class Pool(Samples):
    """Batches of the states that earlier ones have become in training.

    The worst of a batch starts anew from the seed; another has lost a part.
    """

    def __init__(
        self, seed_state: np.ndarray, y: np.ndarray, batch_size: int, seed: int
    ) -> None:
        def targets(rows: np.ndarray) -> np.ndarray:
            return np.repeat(y[None], len(rows), axis=0)

        states = np.repeat(seed_state, 128, axis=0)
        self.picture = y
        super().__init__(states, targets, batch_size, seed)
        self.seed_state = seed_state

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        self.rows = self.generator.permutation(len(self.states))
        self.rows = self.rows[: self.batch_size]
        errors = self.states[self.rows, ..., :4] - self.picture
        worst_first = np.argsort(-np.square(errors).mean(axis=(1, 2, 3)))
        self.rows = self.rows[worst_first]
        self.batch = self.states[self.rows]
        self.batch[0] = self.seed_state[0]
        down, along = np.mgrid[:SIZE, :SIZE]
        y, x = self.generator.uniform(SIZE / 4, 3 * SIZE / 4, size=2)
        self.batch[1, (down - y) ** 2 + (along - x) ** 2 < 9] = 0.0
        return self.batch, self.targets(self.rows)

    def put(self, model: keras.Model) -> None:
        self.states[self.rows] = model.predict_source(self.batch)


# === Training ===


def train(
    model: keras.Model, batches: Samples, steps: int, start: int = 0
) -> Iterator[int]:
    """Trains a model, and yields the number of each step that is done."""
    progress = keras.utils.Progbar(steps)
    for step in range(start + 1, steps + 1):
        model.reset_metrics()
        loss = model.train_on_batch(*batches.take(), return_dict=True)["loss"]
        batches.put(model)
        # A perfect answer's cross-entropy may be rounded below zero.
        log_loss = np.log10(max(loss, 1e-9))
        progress.update(step, [("log10 of loss", log_loss)])
        yield step


def train_source(automaton: Automaton, options: argparse.Namespace) -> None:
    """Trains a source, from where an earlier run has stopped."""
    print(f"\nThe {automaton.name} automaton is trained.")
    keras.utils.set_random_seed(options.seed)
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [2 * options.train_steps // 3], [2e-3, 2e-4]
    )
    optimizer = keras_reprogram.optimizers.NormalizedAdam(schedule)
    model = automaton.trainable()
    model.compile(optimizer, automaton.loss)
    optimizer.build(model.trainable_variables)
    path = options.output / f"{automaton.name}_training.npz"
    kept = [*automaton.source.weights, *optimizer.variables]
    for variable, value in zip(kept, common.stored(path)):
        variable.assign(value)
    start = int(ops.convert_to_numpy(optimizer.iterations))
    batches = automaton.batches(None, options.seed + start)
    for step in train(model, batches, options.train_steps, start):
        if step % 100 == 0 or step == options.train_steps:
            values = [ops.convert_to_numpy(each.value) for each in kept]
            common.store(path, values)
            weights = values[: len(automaton.source.weights)]
            common.store(options.weights / f"{automaton.name}.npz", weights)


def load(automaton: Automaton, folder: pathlib.Path) -> bool:
    """Whether there are weights, which the automaton then has."""
    weights = common.stored(folder / f"{automaton.name}.npz")
    if weights:
        automaton.source.set_weights(weights)
    return bool(weights)
