"""Time and memory of a step whose source computes its activations again.

    KERAS_BACKEND=torch python benchmarks/rematerialization.py

Steps and memory are those of `step.py`: `reprogrammed` beside the same before
`keras_reprogram.acceleration.rematerialize(source)`.
"""

import argparse
import json
import pathlib

import device
import numpy as np
import step
from step import common

MODES = "reprogrammed", "rematerialized"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", nargs="+", default=list(step.SOURCES))
    parser.add_argument("--canvas", type=int, default=64)
    parser.add_argument("--length", type=int, default=64, help="of a text")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-times", type=int, default=9)
    parser.add_argument("--output", type=pathlib.Path, default=step.RESULTS)
    options = parser.parse_args()
    rows = []
    for name in options.sources:
        rows.append(measured(name, options))
        print(json.dumps(rows[-1]), flush=True)
        common.write_benchmark(
            options.output / f"rematerialization_{step.BACKEND}.json",
            "rematerialization.py",
            device=device.accelerator(),
            settings=common.settings(options, "sources", "output"),
            rows=rows,
        )


def measured(name: str, options: argparse.Namespace) -> dict:
    made = step.modes(name, options)
    epochs = {mode: made[mode]() for mode in MODES}
    times = device.interleaved(epochs, options.rounds)
    kept, again = (times[mode] for mode in MODES)
    return {
        "source": name,
        "seconds_a_step": {
            mode: float(np.median(times[mode])) / options.steps
            for mode in MODES
        },
        "rematerialized / reprogrammed": common.quartiles(again / kept),
        "megabytes_a_sample": {
            mode: step.memory_of(name, mode, options) for mode in MODES
        },
    }


if __name__ == "__main__":
    main()
