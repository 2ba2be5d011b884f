"""What it costs to serve many programs in one batch.

    python benchmarks/bank.py
    python benchmarks/bank.py --files 1000

Programs for 28x28 images before one EfficientNet-Lite0, and a batch in which
every row has another one, against a batch of one program in its own model.
Pairs are interleaved in one run; times are medians, with the spread from the
first to the third quartile, and the ratio is the median of the pairs' ratios.
Memory is that of the bank's tables, beside the program files'.

With `--files`, it is what it costs to add so many program files for 64x64x3 to
a bank: all at once, and each by itself; beside it, opening and decompressing
them alone. Times are the processor's, on one core. Rows of other labels, as
those of an earlier version, stay in the results.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
import zipfile

import device
import keras
import numpy as np

import keras_reprogram

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "examples"))

import common  # noqa: E402

RESULTS = pathlib.Path(__file__).parent / "results"
SAMPLE = (28, 28, 1)
CANVAS = (64, 64, 3)
CLASSES = range(2, 11)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument(
        "--canvases", type=int, nargs="+", default=[64, 128, 224]
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--files", type=int, default=0, help="to add")
    parser.add_argument("--label", default="now", help="of the row of --files")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    if options.quick:
        options.programs, options.batch_size, options.repeats = 3, 4, 1
        options.canvases, options.files = [32], min(options.files, 8)
    options.output.mkdir(exist_ok=True, parents=True)
    classifier = common.load_classifier(None)
    if options.files:
        add_files(classifier, options)
        return
    rows = []
    for canvas in options.canvases:
        rows.append(compare(classifier, canvas, options))
        print(json.dumps(rows[-1]), flush=True)
    common.write_benchmark(
        options.output / f"bank_{keras.config.backend()}.json",
        "bank.py",
        device=device.accelerator(),
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
    tables = [*bank.banked_inputs[0].weights, *bank.banked_labels.weights]
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


def add_files(classifier, options) -> None:
    """Measures what adding program files costs, and writes it."""
    path = options.output / f"bank_files_{keras.config.backend()}.json"
    with tempfile.TemporaryDirectory() as folder:
        files = program_files(classifier, pathlib.Path(folder), options.files)
        row = {
            "label": options.label,
            "files": len(files),
            "seconds_at_once": seconds(lambda: add(classifier, [files])),
            "seconds_of_reading": seconds(lambda: read(files)),
            "file_bytes": os.path.getsize(files["0"]),
        }
        one_by_one = [{name: files[name]} for name in list(files)[:20]]
        time_one_by_one = seconds(lambda: add(classifier, one_by_one))
        row["seconds_of_one"] = time_one_by_one / len(one_by_one)
    print(json.dumps(row), flush=True)
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    rows = [old for old in rows if old["label"] != options.label]
    common.write_benchmark(
        path, f"bank.py --files {options.files}", rows=[*rows, row]
    )


def program_files(classifier, folder: pathlib.Path, count: int) -> dict:
    """Programs of two to ten classes, in as many files as wanted."""
    generator = np.random.default_rng(0)
    files = {str(index): folder / f"{index}.program" for index in range(count)}
    paths = list(files.values())
    for index, path in enumerate(paths):
        if index < len(CLASSES):
            classes = CLASSES[index]
            model = reprogrammed(classifier, CANVAS, generator, classes)
            model.save_program(path)
        else:
            shutil.copy(paths[index % len(CLASSES)], path)
    return files


def add(classifier, parts: list[dict]) -> None:
    bank = keras_reprogram.ProgramBank(
        classifier, SAMPLE, 10, 1000, source_shape=CANVAS
    )
    for part in parts:
        bank.add(part)


def read(files: dict) -> None:
    for path in files.values():
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                archive.read(name)


def seconds(function) -> float:
    """The processor's time of a function, after a first call of it."""
    function()
    start = time.process_time()
    function()
    return round(time.process_time() - start, 4)


def reprogrammed(classifier, shape, generator, classes=10):
    model = keras_reprogram.ReprogrammedModel(
        classifier,
        keras_reprogram.InputReprogrammer(SAMPLE, shape),
        keras_reprogram.LabelMapper(classes),
    )
    for variable in model.program_variables:
        variable.assign(generator.normal(0, 0.1, variable.shape))
    model.label_mapper.on_variables_loaded()
    return model


if __name__ == "__main__":
    main()
