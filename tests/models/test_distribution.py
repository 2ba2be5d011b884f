"""Several devices or processes find the program that one finds."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
BACKEND = keras.config.backend()
# Everything is imported once; each number of devices is a process of its own.
EACH = """
import os
import sys

import keras
import numpy as np

import keras_reprogram

folder, *numbers = sys.argv[1:]
for devices in map(int, numbers):
    process = os.fork()
    if process == 0:
        break
    if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]):
        sys.exit(1)
else:
    sys.exit()
path = f"{folder}/{devices}.npz"
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + f" --xla_force_host_platform_device_count={devices}"
)
"""
TASK = """
images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1))
images, labels = images.astype("uint8"), np.arange(64) % 3
BATCH, EPOCHS = 16, 3


def build(mapping):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(inputs / 128)
    source = keras.Model(
        inputs, keras.layers.Dense(12)(keras.layers.Flatten()(x))
    )
    model = keras_reprogram.ReprogrammedModel(
        source,
        keras_reprogram.InputReprogrammer((8, 8, 1)),
        keras_reprogram.LabelMapper(3, mapping),
    )
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def fit(model):
    model.adapt(images, labels, verbose=0)
    model.fit(
        images,
        labels,
        batch_size=BATCH,
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
    )


def save(models, path):
    arrays = {
        f"{name}_{index}": keras.ops.convert_to_numpy(variable.value)
        for name, model in models.items()
        for index, variable in enumerate(model.program_variables)
    }
    np.savez(path, **arrays)


MAPPINGS = "linear", "iterative", "bayesian_plus"
"""
SCRIPTS = {
    "jax": """
if devices > 1:
    keras.distribution.set_distribution(keras.distribution.DataParallel())
models = {name: build(name) for name in MAPPINGS}
for model in models.values():
    fit(model)
theta = models["linear"].input_reprogrammer.pattern.theta.value
assert len(theta.sharding.device_set) == devices
save(models, path)
""",
    "tensorflow": """
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * devices,
)
strategy = tf.distribute.MirroredStrategy(
    [f"CPU:{index}" for index in range(devices)]
)
assert strategy.num_replicas_in_sync == devices
with strategy.scope():
    models = {name: build(name) for name in MAPPINGS}
for model in models.values():
    fit(model)
save(models, path)
""",
    "torch": """
import torch


def work(rank, devices):
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = "127.0.0.1", "29533"
    torch.distributed.init_process_group("gloo", None, None, devices, rank)
    models = {name: build(name) for name in MAPPINGS}
    for name, model in models.items():
        if rank == 0:
            model.adapt(images, labels, verbose=0)
        else:  # what another process begins with makes no difference
            pattern = model.input_reprogrammer.pattern
            pattern.theta.assign(np.ones(pattern.theta.shape))
        model.fit(
            images[rank::devices],
            labels[rank::devices],
            batch_size=BATCH // devices,
            epochs=EPOCHS,
            shuffle=False,
            verbose=0,
        )
    save(models, path if rank == 0 else path.replace(".npz", f".{rank}.npz"))
    torch.distributed.destroy_process_group()


if devices == 1:
    models = {name: build(name) for name in MAPPINGS}
    for model in models.values():
        fit(model)
    save(models, path)
else:
    torch.multiprocessing.start_processes(
        work, (devices,), devices, start_method="fork"
    )
""",
}


SHARED_TEXT_MODEL = """
import keras_hub

from keras_reprogram import inputs
from keras_reprogram.sources import TextSource

if devices > 1:
    mesh = keras.distribution.DeviceMesh((2, devices // 2), ("batch", "model"))
    layout = keras.distribution.LayoutMap(mesh)
    layout["token_embedding/embeddings"] = ("model", None)
    layout["(query|key|value)/kernel"] = (None, "model", None)
    layout["feedforward_intermediate_dense/kernel"] = (None, "model")
    layout["feedforward_output_dense/kernel"] = ("model", None)
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(
            layout_map=layout, batch_dim_name="batch"
        )
    )
keras.utils.set_random_seed(0)
backbone = keras_hub.models.GPT2Backbone(
    vocabulary_size=32,
    num_layers=1,
    num_heads=2,
    hidden_dim=16,
    intermediate_dim=32,
    max_sequence_length=16,
)
table = backbone.token_embedding.embeddings.value
assert table.sharding.is_fully_replicated == (devices == 1)
model = keras_reprogram.ReprogrammedModel(
    TextSource(backbone, "last"),
    inputs.TokenReprogrammer(inputs.SourceTokens(), layout=[3, "sample"]),
    keras_reprogram.LabelMapper(2),
)
model.compile(
    keras.optimizers.Adam(0.02),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
tokens = np.random.default_rng(0).integers(1, 30, (32, 8))
model.fit(
    tokens, np.arange(32) % 2, batch_size=8, epochs=2, shuffle=False, verbose=0
)
np.savez(path, *model.get_weights())
"""


def run(folder, numbers, script):
    result = subprocess.run(
        [sys.executable, "-c", EACH + script, folder, *map(str, numbers)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return [np.load(folder / f"{number}.npz") for number in numbers]


@pytest.mark.skipif(BACKEND not in SCRIPTS, reason="another backend")
def test_many_devices_find_what_one_finds(tmp_path):
    script = TASK + SCRIPTS[BACKEND]
    one, many = run(tmp_path, (1, {"jax": 4}.get(BACKEND, 2)), script)
    assert set(one.files) == set(many.files) and len(one.files) == 7
    for name in one.files:
        np.testing.assert_allclose(
            one[name], many[name], atol=1e-4, err_msg=name
        )
    if BACKEND == "torch":
        other = np.load(tmp_path / "2.1.npz")
        for name in one.files:
            np.testing.assert_array_equal(other[name], many[name])


@pytest.mark.skipif(BACKEND != "jax", reason="Keras has it on JAX")
def test_a_language_model_in_parts_trains_the_same_prompt(tmp_path):
    one, parts = run(tmp_path, (1, 4), SHARED_TEXT_MODEL)
    assert len(one.files) == len(parts.files) > 10
    for name in one.files:
        np.testing.assert_allclose(one[name], parts[name], atol=1e-4)
