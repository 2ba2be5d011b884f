"""Training by queries that is killed, and started again."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).parent.parent.parent
# Everything is imported once; each training is a process of its own.
SCRIPT = """
import json
import os
import pathlib
import random
import signal
import sys
import time

import keras
import numpy as np

import keras_reprogram
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.black_box import TwoSided

whole, broken = map(pathlib.Path, sys.argv[1:])
weights = np.random.default_rng(1).normal(size=(48, 6)).astype("float32")


def train(folder):
    def classify(images):
        with (folder / "asked").open("a") as log:
            log.write(f"{len(images)}\\n")
        time.sleep(0.05)
        return images.reshape(len(images), -1) @ weights

    random.seed(0)  # Keras would import TensorFlow, if it is there, to do this.
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (24, 4, 4, 3)).astype("uint8")
    model = keras_reprogram.ReprogrammedModel(
        QueriedSource(classify, (4, 4, 3), 6, True, cache=folder / "cache"),
        keras_reprogram.InputReprogrammer((4, 4, 3)),
        keras_reprogram.LabelMapper(2, "frequency"),
    )
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        gradient_estimator=TwoSided(2),
    )
    model.fit(
        images,
        np.arange(24) % 2,
        batch_size=8,
        epochs=6,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras_reprogram.callbacks.ResumeTraining(folder / "training")
        ],
    )
    np.save(folder / "program", model.input_reprogrammer.get_weights()[0])


def start(folder):
    process = os.fork()
    if process:
        return process
    try:
        train(folder)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def finish(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def asked(folder):
    path = folder / "asked"
    return sum(map(int, path.read_text().split())) if path.exists() else 0


assert finish(start(whole)) == 0
for part in (0.4, 0.75):
    process = start(broken)
    while asked(broken) < part * asked(whole):
        assert os.waitpid(process, os.WNOHANG) == (0, 0), "it ended too soon"
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    assert finish(process) == -signal.SIGKILL
assert finish(start(broken)) == 0
print(json.dumps({"whole": asked(whole), "broken": asked(broken)}))
"""


def test_a_process_that_is_killed_loses_the_queries_of_one_step(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT, whole, broken],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert output.returncode == 0, output.stderr[-2000:]
    asked = json.loads(output.stdout.splitlines()[-1])
    total, step = asked["whole"], 2 * 2 * 8
    assert total <= asked["broken"] <= total + 2 * (step + 1)  # and the probe
    np.testing.assert_allclose(
        np.load(broken / "program.npy"),
        np.load(whole / "program.npy"),
        atol=1e-5,
    )
