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
import pathlib
import time

import common
import keras
import numpy as np
from automata_sources import NUM_DIGITS
from automata_sources import TRAIN_DIGITS
from automata_sources import Automaton
from automata_sources import Digits
from automata_sources import Growing
from automata_sources import load
from automata_sources import states_of
from automata_sources import train
from automata_sources import train_source

import keras_reprogram

AUTOMATA = {"growing": Growing, "digits": Digits}
WEIGHTS = pathlib.Path(__file__).parent / "automata"
STRENGTHS = (0.25, 0.5, 0.75)
GROWING_AGES = (0, 10, 20, 30, 40, 60, 80, 120, 160)
DIGIT_AGES = (0, 1, 2, 4, 8, 12, 16, 20)
DRAWN_DIGITS = (0, 4, 7)


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], "automata", preset=False)
    parser.add_argument("--train", action="store_true", help="train a source")
    parser.add_argument(
        "--automaton", choices=AUTOMATA, nargs="+", default=list(AUTOMATA)
    )
    parser.add_argument("--weights", type=pathlib.Path)
    parser.add_argument("--train-steps", type=int, default=3000)
    parser.add_argument("--steps", type=int, default=500, help="of programs")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    if options.quick:
        options.steps, options.seeds, options.train_steps = 3, 1, 3
    options.weights = common.weights_folder(options, WEIGHTS)
    rows = []
    for name in options.automaton:
        automaton = AUTOMATA[name]()
        if options.train:
            train_source(automaton, options)
        elif load(automaton, options.weights):
            rows += reprogram(automaton, options)
        else:
            print(
                f"There are no weights of the {name} automaton in "
                f"{options.weights}: run this with --train."
            )
    for row in rows:
        print(row)
    if rows:
        common.write_results(rows, options.output)


def reprogram(
    automaton: Automaton, options: argparse.Namespace
) -> list[dict[str, str | float]]:
    """Trains, measures and draws the programs of all tasks."""
    rows = []
    for task, kinds in automaton.tasks.items():
        models = {("the source", options.seed): automaton.program("matrix")}
        for kind in kinds:
            for seed in range(options.seed, options.seed + options.seeds):
                models[kind, seed] = trained(
                    automaton, task, kind, seed, options
                )
        rows += [
            {"task": task, "method": kind, "seed": seed}
            | automaton.measured(model, task)
            for (kind, seed), model in models.items()
        ]
        drawn = {
            kind: model
            for (kind, seed), model in models.items()
            if seed == options.seed
        }
        for strength in STRENGTHS:
            drawn[f"matrix, {strength}"] = interpolated(
                automaton, drawn["matrix"], strength
            )
        path = options.output / f"{task.replace(' ', '_')}.png"
        if isinstance(automaton, Growing):
            draw_growth(automaton, drawn, path)
        else:
            draw_digits(automaton, drawn, path)
    return rows


def trained(
    automaton: Automaton,
    task: str,
    kind: str,
    seed: int,
    options: argparse.Namespace,
) -> keras.Model:
    """A model with its program, from its file if it is there."""
    weights = common.digest(automaton.source.get_weights())
    name = f"{automaton.name}_{weights}_{task}_{kind}_{options.steps}_{seed}"
    path = options.output / f"{name.replace(' ', '_')}.program"
    if path.exists():
        return keras_reprogram.ReprogrammedModel.load_program(
            path, automaton.source
        )
    print(f"\n{automaton.name}, {task}: {kind}, seed {seed}")
    keras.utils.set_random_seed(seed)
    start = time.perf_counter()
    model = automaton.program(kind, seed, options.steps)
    for _ in train(model, automaton.batches(task, seed), options.steps):
        pass
    print(f"{time.perf_counter() - start:.0f} seconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save_program(path)
    return model


def interpolated(
    automaton: Automaton, model: keras.Model, strength: float
) -> keras.Model:
    """The model with `I + strength * (M - I)` instead of the matrix `M`."""
    copy = automaton.program("matrix")
    offset = model.input_reprogrammer.transformation.offset
    copy.input_reprogrammer.transformation.offset.assign(strength * offset)
    return copy


# === Pictures ===


def draw_growth(
    automaton: Growing, models: dict[str, keras.Model], path: pathlib.Path
) -> None:
    rows = {}
    for name, model in models.items():
        states = states_of(model, automaton.seed, GROWING_AGES[-1])
        rows[name] = [on_white(states[age][0]) for age in GROWING_AGES]
    draw(rows, GROWING_AGES, path)


def draw_digits(
    automaton: Digits, models: dict[str, keras.Model], path: pathlib.Path
) -> None:
    colors = common.pyplot().get_cmap("Paired")(np.arange(NUM_DIGITS))[:, :3]
    labels = automaton.labels[TRAIN_DIGITS:]
    rows = {}
    for name, model in models.items():
        for digit in DRAWN_DIGITS:
            row = TRAIN_DIGITS + int(np.argmax(labels == digit))
            state = automaton.states[row : row + 1]
            states = states_of(model, state, DIGIT_AGES[-1])
            rows[f"{name}: {digit}"] = [
                of_classes(states[age][0], colors) for age in DIGIT_AGES
            ]
    draw(rows, DIGIT_AGES, path)


def on_white(state: np.ndarray) -> np.ndarray:
    colors, alpha = state[..., :3], np.clip(state[..., 3:4], 0, 1)
    return np.clip(1 - alpha + colors, 0, 1)


def of_classes(state: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Ink in the color of the class that a cell is for, gray without one."""
    logits, ink = state[..., -NUM_DIGITS:], state[..., :1]
    decided = logits.any(axis=-1, keepdims=True)
    color = np.where(decided, colors[logits.argmax(axis=-1)], 0.5)
    return np.clip(1 - ink + ink * color, 0, 1)


def draw(
    rows: dict[str, list[np.ndarray]],
    ages: tuple[int, ...],
    path: pathlib.Path,
) -> None:
    """Draws rows of pictures, with a column for each number of steps."""
    pyplot = common.pyplot()
    figure, grid = pyplot.subplots(
        len(rows),
        len(ages),
        figsize=(1.1 * len(ages) + 1.5, 1.15 * len(rows) + 0.3),
        squeeze=False,
    )
    for axes, (name, pictures) in zip(grid, rows.items(), strict=True):
        axes[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for axis, picture in zip(axes, pictures, strict=True):
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
    for axis, age in zip(grid[0], ages, strict=True):
        axis.set_title(f"{age} steps", fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    print(f"Wrote {path}")


if __name__ == "__main__":
    main()
