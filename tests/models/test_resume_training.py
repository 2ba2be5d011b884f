"""Training that is killed at any moment, and started again."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.models import ResumeTraining
from keras_reprogram.models import program_archive

ROOT = pathlib.Path(__file__).parent.parent.parent
# A process starts soon where nothing is compiled.
KILLS = 20 if keras.config.backend() == "torch" else 5
EPOCHS = 25
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

folder, kills, epochs = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])
ticks = folder / "ticks"


class SaveProgram(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        with ticks.open("a") as file:
            file.write(".")
        time.sleep(0.005)

    def on_epoch_end(self, epoch, logs=None):
        self.model.save_program(folder / "task.program")


def train(name):
    random.seed(0)  # Keras would import TensorFlow, if it is there, to do this.
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 128, -1)(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    source = keras.Model(
        inputs, keras.layers.Dense(12)(keras.layers.Flatten()(x))
    )
    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer((4, 4, 1)),
        keras_reprogram.LabelMapper(3, "iterative"),
    )
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    images = np.random.default_rng(0).integers(0, 256, (64, 4, 4, 1))
    model.fit(
        images.astype("uint8"),
        np.arange(64) % 3,
        batch_size=4,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras_reprogram.models.ResumeTraining(folder / f"{name}.npz"),
            SaveProgram(),
        ],
    )
    np.savez(
        folder / f"{name}.result.npz",
        program=model.input_reprogrammer.get_weights()[0],
        matrix=keras.ops.convert_to_numpy(model.label_mapper.matrix),
    )


def start(name):
    process = os.fork()
    if process:
        return process
    try:
        train(name)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def finish(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


assert finish(start("whole")) == 0
steps = ticks.stat().st_size // epochs
generator = random.Random(0)
killed, reached = 0, []
while killed < kills:
    ticks.unlink(missing_ok=True)
    process = start("broken")
    # After so many steps that all kills together leave some to do.
    wanted = generator.randint(1, steps * (epochs - 1) // kills)
    while not ticks.exists() or ticks.stat().st_size < wanted:
        time.sleep(0.001)
    time.sleep(generator.uniform(0, 0.01))
    os.kill(process, signal.SIGKILL)
    assert finish(process) == -signal.SIGKILL, "it ended too soon"
    killed += 1
    file = folder / "broken.npz"
    reached.append(int(np.load(file)["epoch"]) if file.exists() else 0)
assert finish(start("broken")) == 0
ticks.unlink()
print(json.dumps({"killed": killed, "reached": reached}))
"""


def test_a_process_killed_twenty_times_ends_as_an_unbroken_one(tmp_path):
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path, str(KILLS), str(EPOCHS)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert output.returncode == 0, output.stderr[-2000:]
    report = json.loads(output.stdout.splitlines()[-1])
    assert report["killed"] == KILLS
    assert len(set(report["reached"])) > 1  # at different moments
    whole, broken = (
        np.load(tmp_path / f"{name}.result.npz") for name in ("whole", "broken")
    )
    np.testing.assert_array_equal(whole["matrix"], broken["matrix"])
    np.testing.assert_allclose(whole["program"], broken["program"], atol=1e-5)
    _, variables = program_archive.read(tmp_path / "task.program")
    np.testing.assert_array_equal(variables[0], broken["program"])
    # Of what is left half written, nothing has a file's name.
    left = {path.name for path in tmp_path.iterdir() if path.name[0] != "."}
    assert left == {"broken.result.npz", "task.program", "whole.result.npz"}


def reprogrammed(source, target_shape=(4, 4, 1)):
    model = ReprogrammedModel(
        source, InputReprogrammer(target_shape), LabelMapper(3)
    )
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def test_more_epochs_go_on_from_a_file_that_is_kept(
    source, images, labels, tmp_path
):
    settings = dict(batch_size=8, shuffle=False, verbose=0)
    whole = reprogrammed(source)
    whole.fit(images, labels, epochs=4, **settings)
    resume = [ResumeTraining(tmp_path / "training.npz", keep=True)]
    reprogrammed(source).fit(
        images, labels, epochs=2, callbacks=resume, **settings
    )
    other = reprogrammed(source)
    history = other.fit(images, labels, epochs=4, callbacks=resume, **settings)
    assert history.epoch == [2, 3]
    for one, two in zip(whole.program_variables, other.program_variables):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(one.value),
            keras.ops.convert_to_numpy(two.value),
            atol=1e-5,
        )


def test_the_file_holds_no_source(source, images, labels, tmp_path):
    path = tmp_path / "training.npz"
    model = reprogrammed(source)
    model.fit(images, labels, callbacks=[ResumeTraining(path, True)], verbose=0)
    with np.load(path) as archive:
        values = sum(archive[name].size for name in archive.files)
    # Each trained value with its two moments, and a handful of counters.
    trained = sum(
        int(np.prod(variable.shape)) for variable in model.trainable_variables
    )
    assert values < 3 * trained + 20


def test_a_file_of_another_training_is_a_value_error(
    source, images, labels, tmp_path
):
    path = tmp_path / "training.npz"
    resume = [ResumeTraining(path, keep=True)]
    reprogrammed(source).fit(images, labels, callbacks=resume, verbose=0)
    other = ReprogrammedModel(
        source, InputReprogrammer((4, 4, 1)), LabelMapper(4)
    )
    other.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    with pytest.raises(ValueError, match="another model"):
        other.fit(images, labels, callbacks=resume, verbose=0)
    path.write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(ValueError, match="not one of"):
        reprogrammed(source).fit(images, labels, callbacks=resume, verbose=0)
