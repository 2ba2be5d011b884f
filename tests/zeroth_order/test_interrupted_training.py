"""Training by queries that is killed, and started again."""

import os
import pathlib
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).parent.parent.parent
SCRIPT = """
import pathlib
import random
import sys
import time

import keras
import numpy as np

import keras_reprogram
from keras_reprogram.sources import QueriedSource
from keras_reprogram.zeroth_order import TwoSided

folder = pathlib.Path(sys.argv[1])
weights = np.random.default_rng(1).normal(size=(48, 6)).astype("float32")


def classify(images):
    with (folder / "asked").open("a") as log:
        log.write(f"{len(images)}\\n")
    time.sleep(0.05)
    return images.reshape(len(images), -1) @ weights


random.seed(0)  # Keras would import TensorFlow, if it is there, to do this.
generator = np.random.default_rng(0)
images = generator.integers(0, 256, (24, 4, 4, 3)).astype("uint8")
model = keras_reprogram.ReprogrammedModel(
    QueriedSource(classify, (4, 4, 3), 6, True, memory=folder / "memory"),
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
    callbacks=[keras_reprogram.models.ResumeTraining(folder / "training")],
)
np.save(folder / "program", model.input_reprogrammer.get_weights()[0])
"""


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, folder],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    )


def asked(folder):
    path = folder / "asked"
    return sum(map(int, path.read_text().split())) if path.exists() else 0


def test_a_process_that_is_killed_loses_the_queries_of_one_step(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    process = start(whole)
    assert process.wait() == 0, process.stderr.read().decode()[-2000:]
    total, step = asked(whole), 2 * 2 * 8
    for part in (0.4, 0.75):
        process = start(broken)
        while asked(broken) < part * total:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
    process = start(broken)
    assert process.wait() == 0, process.stderr.read().decode()[-2000:]
    assert total <= asked(broken) <= total + 2 * (step + 1)  # and the probe
    np.testing.assert_allclose(
        np.load(broken / "program.npy"),
        np.load(whole / "program.npy"),
        atol=1e-5,
    )
