"""What it costs to serve many programs in one batch.

    python benchmarks/bank.py

Programs for 28x28 images before one EfficientNet-Lite0, and a batch in which
every row has another one, against a batch of one program in its own model.
Pairs are interleaved in one run; times are medians, with the spread from the
first to the third quartile, and the ratio is the median of the pairs' ratios.
Memory is that of the bank's tables, beside the program files'.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time

import device
import keras
import numpy as np

import keras_reprogram

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "examples"))

import common  # noqa: E402

RESULTS = pathlib.Path(__file__).parent / "results"
SAMPLE = (28, 28, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument(
        "--canvases", type=int, nargs="+", default=[64, 128, 224]
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    options.output.mkdir(exist_ok=True, parents=True)
    classifier = common.load_classifier(None)
    rows = []
    for canvas in options.canvases:
        rows.append(compare(classifier, canvas, options))
        print(json.dumps(rows[-1]), flush=True)
    common.write_benchmark(
        options.output / f"bank_{keras.config.backend()}.json",
        "bank.py",
        programs=options.programs,
        batch_size=options.batch_size,
        repeats=options.repeats,
        rows=rows,
    )


def compare(classifier, canvas: int, options) -> dict:
    generator = np.random.default_rng(0)
    shape = (canvas, canvas, 3)
    models = {
        f"task {index}": reprogrammed(classifier, shape, generator)
        for index in range(options.programs)
    }
    bank = keras_reprogram.ProgramBank(
        classifier, SAMPLE, 10, len(models), source_shape=shape
    )
    start = time.perf_counter()
    bank.add(models)
    seconds = time.perf_counter() - start
    single = next(iter(models.values()))
    samples = generator.uniform(0, 255, (options.batch_size, *SAMPLE))
    samples = samples.astype("float32")
    mixed = {
        "samples": np.repeat(samples, 3, axis=-1),
        "programs": np.arange(options.batch_size, dtype="int32") % len(models),
    }
    times = device.interleaved(
        {
            "single": lambda: single.predict_on_batch(samples),
            "mixed": lambda: bank.predict_on_batch(mixed),
        },
        options.repeats,
    )
    tables = [*bank.banked_inputs.weights, *bank.banked_labels.weights]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "task.program"
        single.save_program(file)
        size = file.stat().st_size
    return {
        "canvas": canvas,
        "single_seconds": common.quartiles(times["single"]),
        "mixed_seconds": common.quartiles(times["mixed"]),
        "ratio": common.quartiles(times["mixed"] / times["single"]),
        "seconds_to_add": seconds,
        "table_bytes_a_program": sum(
            int(np.prod(table.shape)) * 4 for table in tables
        )
        / len(models),
        "file_bytes": size,
        "source_bytes": sum(
            int(np.prod(weight.shape)) * 4 for weight in classifier.weights
        ),
    }


def reprogrammed(classifier, shape, generator):
    model = keras_reprogram.ReprogrammedModel(
        classifier,
        keras_reprogram.InputReprogrammer(SAMPLE, shape),
        keras_reprogram.LabelMapper(10),
    )
    for variable in model.program_variables:
        variable.assign(generator.normal(0, 0.1, variable.shape))
    model.label_mapper.on_variables_loaded()
    return model


if __name__ == "__main__":
    main()
