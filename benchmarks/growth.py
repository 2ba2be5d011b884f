"""Time and memory of a step as batch, canvas, text and classes grow.

    KERAS_BACKEND=torch python benchmarks/growth.py

Steps are those of `step.py`: the bare frozen network with the gradient at its
input, and `ReprogrammedModel.fit` on it. One size grows at a time. Label maps
are solved from statistics of as many source by target classes, and applied to
a batch. Times are of the processor, or of the clock on a GPU, medians of
rounds; memory is the peak of a process beyond its model.
"""

import argparse
import functools
import json
import pathlib
import sys
from types import SimpleNamespace
from typing import Any

import device
import keras
import numpy as np
import step

from keras_reprogram import LabelMapper
from keras_reprogram.outputs import BayesianMapping
from keras_reprogram.outputs import FrequencyMapping
from keras_reprogram.outputs import LinearMapping

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "examples"))

import common  # noqa: E402

MODES = ("bare", "reprogrammed")
SIZES = {
    "batch": ("resnet18", "batch_size", (4, 16, 64)),
    "canvas": ("resnet18", "canvas", (32, 64, 128, 224)),
    "text": ("minilm", "length", (16, 64, 256)),
}
CLASSES = ((1000, 10), (1000, 100), (21841, 100), (21841, 1000))
APPLICATIONS = 10
MAPS = {
    "frequency": FrequencyMapping().matrix,
    "bayesian": BayesianMapping().matrix,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="*", default=list(SIZES))
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=pathlib.Path, default=step.RESULTS)
    options = parser.parse_args()
    options.output.mkdir(exist_ok=True, parents=True)
    rows = [
        {"grows": size, "source": SIZES[size][0], "size": value, **found}
        for size in options.sizes
        for value, found in grown(*SIZES[size], options)
    ]
    common.write_benchmark(
        options.output / f"growth_{device.BACKEND}.json",
        "growth.py",
        settings=common.settings(options, "output"),
        steps=rows,
        label_maps=solved(options.rounds),
    )


def grown(source: str, name: str, values: tuple[int, ...], options):
    """Yields each size and what a step takes there."""
    for value in values:
        sizes = {"batch_size": 8, "canvas": 64, "length": 64, name: value}
        settings = SimpleNamespace(steps=options.steps, **sizes)
        found = times(source, settings, options.rounds)
        for mode in MODES:
            peak = step.peak_of(source, mode, settings.batch_size, settings)
            found[mode]["peak_megabytes"] = peak
        print(name, value, json.dumps(found), flush=True)
        yield value, found


def times(source: str, settings, rounds: int) -> dict[str, Any]:
    modes = step.modes(source, settings)
    epochs = {mode: modes[mode]() for mode in MODES}
    return {
        mode: {"milliseconds": 1e3 * float(np.median(found)) / settings.steps}
        for mode, found in device.interleaved(epochs, rounds).items()
    }


def solved(rounds: int) -> list[dict[str, Any]]:
    """Seconds to solve a label map, and milliseconds to apply it."""
    found = []
    for sources, targets in CLASSES:
        generator = np.random.default_rng(0)
        statistics = generator.poisson(0.05, (sources, targets))
        row = {"sources": sources, "targets": targets}
        solvers = {
            name: functools.partial(solve, statistics)
            for name, solve in MAPS.items()
        }
        for name, seconds in device.interleaved(solvers, rounds).items():
            row[f"{name}_seconds"] = float(np.median(seconds))
        row |= applied(sources, targets, rounds)
        print(json.dumps(row), flush=True)
        found.append(row)
    return found


def applied(sources: int, targets: int, rounds: int) -> dict[str, float]:
    """A batch of 64, where source classes are looked up and by a matrix."""
    outputs = keras.random.normal((64, sources), seed=0)
    mappers = {
        "lookup": LabelMapper(targets, "random"),
        "matrix": LabelMapper(targets, LinearMapping(initial="random")),
    }

    def applications(mapper: LabelMapper) -> None:
        for _ in range(APPLICATIONS):
            keras.ops.convert_to_numpy(mapper(outputs))

    seconds = device.interleaved(
        {
            name: functools.partial(applications, mapper)
            for name, mapper in mappers.items()
        },
        rounds,
    )
    return {
        f"{name}_milliseconds": 1e3 * float(np.median(found)) / APPLICATIONS
        for name, found in seconds.items()
    }


if __name__ == "__main__":
    main()
