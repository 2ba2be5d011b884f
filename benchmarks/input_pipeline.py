"""What a step waits for its samples.

    KERAS_BACKEND=torch python benchmarks/input_pipeline.py

Small images travel to the device at their own size, as integers, and are
placed on the canvas there. A step with a batch that lies on the device already
is compared with the same step with the batch on the host, 28x28 pixels of
uint8, and with a batch of whole canvases in float32, as scripts that resize on
the host send them. No step overlaps another here: what `fit` prepares while
the device works is waited for all the same, so that the figures are the most
that could be lost.
"""

import argparse
import functools
import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import device
import keras
import numpy as np
import step

import keras_reprogram

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "examples"))

import common  # noqa: E402

SMALL = (28, 28, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default="resnet18")
    parser.add_argument("--canvas", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=pathlib.Path, default=step.RESULTS)
    options = parser.parse_args()
    options.output.mkdir(exist_ok=True, parents=True)
    found = measured(options)
    print(json.dumps(found, indent=1))
    common.write_benchmark(
        options.output / f"input_pipeline_{device.BACKEND}.json",
        "input_pipeline.py",
        device=device.accelerator(),
        settings=common.settings(options, "output"),
        **found,
    )


def measured(options) -> dict[str, Any]:
    source, _, _, _ = step.build(options.source, options)
    canvas = (options.canvas, options.canvas, 3)
    generator = np.random.default_rng(0)
    labels = np.arange(options.batch_size) % step.CLASSES
    small = generator.integers(0, 256, (len(labels), *SMALL)).astype("uint8")
    whole = generator.integers(0, 256, (len(labels), *canvas)).astype("float32")
    batches = {"small": (SMALL, small), "canvas": (canvas, whole)}
    modes: dict[str, Callable[[], None]] = {}
    for name, (shape, samples) in batches.items():
        model = keras_reprogram.ReprogrammedModel(
            source,
            keras_reprogram.InputReprogrammer(shape, canvas),
            keras_reprogram.LabelMapper(step.CLASSES, "random"),
        )
        model.compile(
            "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        places = {
            "on the device": keras.ops.convert_to_tensor(samples),
            "from the host": samples,
        }
        for place, batch in places.items():
            modes[f"{name}, {place}"] = functools.partial(
                train, model, batch, labels, options.steps
            )
    seconds = {
        mode: found / options.steps
        for mode, found in device.interleaved(modes, options.rounds).items()
    }
    base = seconds["small, on the device"]
    return {
        "kilobytes_a_batch": {
            name: samples.nbytes / 1024
            for name, (_, samples) in batches.items()
        },
        "milliseconds_a_step": {
            mode: 1e3 * float(np.median(found))
            for mode, found in seconds.items()
        },
        "ratio_to_small_on_the_device": {
            mode: common.quartiles(np.divide(found, base))
            for mode, found in seconds.items()
        },
    }


def train(model: keras.Model, samples: Any, labels: Any, steps: int) -> None:
    for _ in range(steps):
        model.train_on_batch(samples, labels)


if __name__ == "__main__":
    main()
