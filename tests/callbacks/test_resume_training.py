"""Training that is killed at any moment, and started again."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.callbacks import RestoreBest
from keras_reprogram.callbacks import ResumeTraining
from keras_reprogram.callbacks import resume_training
from keras_reprogram.saving import program_archive

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
            keras_reprogram.callbacks.ResumeTraining(folder / f"{name}.npz"),
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


def values(model):
    return [
        keras.ops.convert_to_numpy(variable.value)
        for variable in model.program_variables
    ]


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
    learned = values(other)
    again = other.fit(images, labels, epochs=1, **settings)
    assert again.epoch == [0]  # without `ResumeTraining`
    for one, two in zip(values(whole), learned):
        np.testing.assert_allclose(one, two, atol=1e-5)


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
    with pytest.raises(ValueError, match="not written by"):
        reprogrammed(source).fit(images, labels, callbacks=resume, verbose=0)


# === Callbacks ===


class Interruption(Exception):
    pass


class Interrupting(keras.callbacks.Callback):
    """Ends a process at the end of an epoch, before the file is written."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Interruption

    def get_state(self):
        return {}

    set_state = print


class Counting(keras.callbacks.Callback):
    """A callback of a user, which tells its state."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(epoch)

    def get_state(self):
        return {"seen": self.seen, "last": np.float32(self.seen[-1:] or [0])}

    def set_state(self, state):
        self.seen = state["seen"]
        assert state["last"].dtype == "float32"


def trained_with_callbacks(path, data, interrupted_at=None):
    """A model that is trained as in a process of its own, and callbacks."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 3))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    model = ReprogrammedModel(
        keras.Model(inputs, outputs),
        InputReprogrammer((4, 4, 1)),
        LabelMapper(3, "iterative"),
    )
    model.compile(
        keras.optimizers.Adam(0.3, use_ema=True, ema_momentum=0.5),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    callbacks = {
        "resume": ResumeTraining(path),
        "ema": keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        "best": RestoreBest(data),
        "plateau": keras.callbacks.ReduceLROnPlateau(patience=1, cooldown=1),
        "early": keras.callbacks.EarlyStopping(
            patience=2, restore_best_weights=True, mode="max"
        ),
        "own": Counting(),
        "interrupting": Interrupting(interrupted_at),
    }
    try:
        history = model.fit(
            *data,
            batch_size=12,
            epochs=9,
            shuffle=False,
            verbose=0,
            validation_data=data,
            callbacks=list(callbacks.values()),
        )
    except Interruption:
        return None
    return model, callbacks, history


@pytest.mark.filterwarnings("ignore:No epoch's")
def test_callbacks_go_on_as_in_an_unbroken_training(images, labels, tmp_path):
    path, data = tmp_path / "training.npz", (images, labels)
    model, callbacks, history = trained_with_callbacks(path, data)
    epochs = len(history.epoch)
    assert 3 <= epochs < 9  # `EarlyStopping` ends it
    assert not path.exists()
    for epoch in range(epochs):  # two of them in a row without progress
        assert trained_with_callbacks(path, data, epoch) is None
    other, again, _ = trained_with_callbacks(path, data)
    for one, two in zip(
        [*model.program_variables, *model.optimizer.variables],
        [*other.program_variables, *other.optimizer.variables],
    ):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(one.value),
            keras.ops.convert_to_numpy(two.value),
        )
    for name, attribute in [
        ("best", "best"),
        ("best", "best_epoch"),
        ("plateau", "wait"),
        ("plateau", "best"),
        ("plateau", "cooldown_counter"),
        ("early", "stopped_epoch"),
        ("early", "best_epoch"),
        ("ema", "_ema_weights_in_model"),
        ("own", "seen"),
    ]:
        expected = getattr(callbacks[name], attribute)
        assert getattr(again[name], attribute) == expected, (name, attribute)
    assert callbacks["early"].stopped_epoch
    assert [file.name for file in tmp_path.iterdir()] == []


def prepared(path, *callbacks, keep=False):
    resume = ResumeTraining(path, keep=keep)
    resume.prepare([*callbacks, resume])
    return resume


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "callback, keep",
    [
        (lambda: keras.callbacks.BackupAndRestore("folder"), False),
        (lambda: keras.callbacks.CSVLogger("log.csv"), False),
        (lambda: keras.callbacks.SwapEMAWeights(swap_on_epoch=True), True),
    ],
)
def test_callbacks_that_do_not_go_with_it_are_refused(tmp_path, callback, keep):
    with pytest.raises(ValueError, match="Received: "):
        prepared(tmp_path / "training.npz", callback(), keep=keep)
    assert list(tmp_path.iterdir()) == []


# === The file ===


@pytest.mark.numpy_alone
def test_a_second_training_of_one_path_is_refused_until_the_first_ends(
    tmp_path,
):
    path = tmp_path / "training.npz"
    first = prepared(path)
    (tmp_path / "link").symlink_to(path)
    for same in (path, tmp_path / "link"):
        with pytest.raises(ValueError, match="Another training"):
            prepared(same)
    other = prepared(tmp_path / "training")  # another file
    for resume in (first, other):
        resume.release()
    prepared(path).release()
    assert {file.name for file in tmp_path.iterdir()} == {"link"}


@pytest.mark.numpy_alone
def test_a_killed_process_holds_no_file(tmp_path):
    path = tmp_path / "training.npz"
    read, write = os.pipe()
    process = os.fork()
    if not process:
        held = prepared(path)
        os.write(write, b"held" if held.lock else b"")
        signal.pause()
        os._exit(1)
    os.read(read, 4)
    with pytest.raises(ValueError, match="Another training"):
        prepared(path)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    prepared(path).release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.numpy_alone
def test_files_of_the_user_are_left_alone(tmp_path):
    names = [
        ".run.npz.backup",
        ".run.npz.1234abcd",
        ".run.1234abcd",
        ".run.npz",
        "run",
        "run.npz.old",
    ]
    for name in names:
        (tmp_path / name).write_text("precious")
    path = tmp_path / "run.npz"
    resume_training.write(path, {"epoch": 1}, [np.zeros(2)])
    assert {file.name for file in tmp_path.iterdir()} == {*names, "run.npz"}


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"PK\x03\x04 damaged", b"\x93NUMPY", b"[" * 1000],
)
def test_what_is_no_file_of_training_is_a_value_error_at_once(
    tmp_path, content
):
    path = tmp_path / "training.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not written by"):
        prepared(path)
    assert path.read_bytes() == content


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "progress",
    [
        {},
        {"epoch": -1},
        {"epoch": [1, 2]},
        {"epoch": "one"},
        {"epoch": 1, "callbacks": "{"},
        {"epoch": 1, "callbacks": "[" * 100_000},
        {"epoch": 1, "callbacks": '{"EarlyStopping 1": {"array": 7}}'},
    ],
)
def test_a_file_that_does_not_hold_together_is_a_value_error(
    tmp_path, progress
):
    path = tmp_path / "training.npz"
    np.savez(path, np.zeros(2), **progress)
    with pytest.raises(ValueError, match="not written by"):
        resume_training.read(path)


@pytest.mark.numpy_alone
def test_a_small_file_is_not_read_into_much_memory(tmp_path):
    path = tmp_path / "training.npz"
    np.savez_compressed(path, np.zeros(10**6), epoch=1)
    with pytest.raises(ValueError, match="not written by"):
        resume_training.read(path)


@pytest.mark.numpy_alone
def test_a_file_that_cannot_be_written_is_a_value_error_at_once(
    tmp_path, monkeypatch
):
    with pytest.raises(ValueError, match="folder.*make it first"):
        prepared(tmp_path / "missing" / "training.npz")
    with pytest.raises(ValueError, match="a folder"):
        prepared(tmp_path)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(ValueError, match="writable"):
        prepared(tmp_path / "training.npz")


class Trained:
    """What a callback needs of a model."""

    def __init__(self):
        self.variables = [keras.Variable(np.zeros(2, "float32"))]
        self.learned_variables = self.trainable_variables = self.variables
        self.optimizer = keras.optimizers.SGD()
        self.label_mapper = None
        self.stop_training = False


def test_values_that_are_not_finite_do_not_replace_a_file(tmp_path):
    resume, model = prepared(tmp_path / "training.npz", keep=True), Trained()
    resume.set_model(model)
    resume.on_train_begin()
    resume.on_epoch_end(0)
    model.variables[0].assign([1.0, np.nan])
    with pytest.raises(ValueError, match="1 values after epoch 2"):
        resume.on_epoch_end(1)
    found = resume_training.read(tmp_path / "training.npz")
    assert found.epoch == 1
    np.testing.assert_array_equal(found.values[0], [0, 0])
    resume.release()


def test_a_path_is_that_of_the_start_and_a_link_stays_one(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "training.npz")
    resume, model = prepared("link"), Trained()
    resume.set_model(model)
    resume.on_train_begin()
    monkeypatch.chdir(tmp_path / "disk")
    resume.on_epoch_end(0)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").exists()
    resume.on_train_end()
    assert {path.name for path in tmp_path.iterdir()} == {"disk", "link"}
    assert list((tmp_path / "disk").iterdir()) == []


class Silent(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.wait = epoch + 1


def test_a_callback_that_counts_and_does_not_tell_is_warned_of(tmp_path):
    silent = Silent()
    resume, model = prepared(tmp_path / "training.npz", silent), Trained()
    resume.set_model(model)
    resume.on_train_begin()
    for epoch in range(2):
        silent.on_epoch_end(epoch)
        if epoch == 0:
            with pytest.warns(UserWarning, match="`get_state`.*wait"):
                resume.on_epoch_end(epoch)
        else:
            resume.on_epoch_end(epoch)  # once
    resume.on_train_end()


def test_a_callback_that_is_new_to_a_file_is_warned_of(tmp_path):
    path = tmp_path / "training.npz"
    for callbacks in ([], [keras.callbacks.EarlyStopping()]):
        resume = prepared(path, *callbacks, keep=True)
        resume.set_model(Trained())
        if callbacks:
            with pytest.warns(UserWarning, match="are reset.*EarlyStopping"):
                resume.on_train_begin()
        else:
            resume.on_train_begin()
            resume.on_epoch_end(0)
        resume.release()


@pytest.mark.parametrize("epochs, first", [(5, 5), (9, 3)])
def test_training_that_was_stopped_goes_on_if_more_is_asked_for(
    tmp_path, epochs, first
):
    path, model = tmp_path / "training.npz", Trained()
    for stop in (True, False):
        resume = prepared(path, keep=True)
        resume.set_model(model)
        resume.set_params({"epochs": 5 if stop else epochs})
        resume.on_train_begin()
        if stop:
            model.stop_training = True
            resume.on_epoch_end(2)
        resume.release()
    assert model._initial_epoch == first
    resume.on_epoch_begin(first)
    assert model._initial_epoch is None


@pytest.mark.parametrize(
    "value", [np.array([0, 1e39]), np.zeros(3), np.array(["a", "b"])]
)
def test_values_of_another_kind_are_a_value_error(tmp_path, value):
    path, model = tmp_path / "training.npz", Trained()
    model.optimizer.build(model.variables)
    states = [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables]
    np.savez(path, value, *states, epoch=1)
    resume = prepared(path)
    resume.set_model(model)
    with pytest.raises(ValueError, match="Received: "):
        resume.on_train_begin()
    resume.release()
    assert float(keras.ops.sum(model.variables[0])) == 0
