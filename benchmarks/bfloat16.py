"""Accuracy with the frozen source in bfloat16 beside float32.

    KERAS_BACKEND=torch python benchmarks/bfloat16.py

Digits at 64x64 before EfficientNet-Lite0; the program and the linear map are
float32 either way. Test accuracy of the last epoch for each seed, which draws
the samples too.
"""

import argparse
import json
import pathlib
import sys

import keras
import keras_hub
import numpy as np

import keras_reprogram

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "examples"))

import common  # noqa: E402

RESULTS = pathlib.Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--canvas", type=int, default=64)
    parser.add_argument("--train", type=int, default=500)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    options.output.mkdir(exist_ok=True, parents=True)
    preset = keras_reprogram.pretrained.efficientnet_lite0_preset()
    images, labels = common.digits()
    rows = []
    for seed in options.seeds:
        order = np.random.default_rng(seed).permutation(len(labels))
        train, test, _ = np.split(
            order, [options.train, options.train + options.test]
        )
        for dtype in ("float32", "bfloat16"):
            keras.utils.set_random_seed(seed)
            model = keras_reprogram.ReprogrammedModel(
                keras_hub.models.ImageClassifier.from_preset(
                    preset, dtype=dtype
                ),
                keras_reprogram.InputReprogrammer(
                    (28, 28, 1), (options.canvas, options.canvas, 3)
                ),
                keras_reprogram.LabelMapper(10),
            )
            result = common.train_and_score(
                model,
                (images[train], labels[train]),
                (images[test], labels[test]),
                common.accuracy,
                options.epochs,
                32,
                2e-3,
            )
            rows.append({"seed": seed, "source": dtype, **result})
            print(json.dumps(rows[-1]), flush=True)
    common.write_benchmark(
        options.output / f"bfloat16_{keras.config.backend()}.json",
        "bfloat16.py",
        settings=common.settings(options, "output", "seeds"),
        rows=rows,
    )


if __name__ == "__main__":
    main()
