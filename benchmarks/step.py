"""A step of reprogramming against what it cannot be faster than.

    KERAS_BACKEND=torch python benchmarks/step.py

For a ResNet, a ViT, EfficientNet-Lite0 and a BERT of KerasHub:

- *bare*: the frozen network's forward pass and the gradient at its input,
  written by hand in the backend, without program, label map or optimizer;
- *reprogrammed*: `ReprogrammedModel.fit` on small samples;
- *iterative*: the same with an iterative label map, solved after every epoch;
- *own pass*: the same program and step, and a pass of its own over the data
  in every epoch for the map's statistics;
- *peer loop*: the same in plain PyTorch, as the papers' scripts write it
  (`peer_loop.py`, images on PyTorch only);
- *fine-tuning*: `fit` of the whole network on full-size inputs;
- *predict* and *bare predict*: the same without training.

A unit of measurement is one epoch of 64 steps, from its first batch to the end
of training: what `fit` spends before, once for all epochs, is no part of a
step. On PyTorch, where steps depend on the depth of Python's stack they are
called at, `--steps 16 --rounds 24` tells more. Rounds of all modes are
interleaved; a ratio is the median of the rounds' ratios, with quartiles.
Times are of the processor, which other work on the machine does not change; on
a GPU, of the clock. Memory is what the peak of a process of its own grows by
for each further sample of a batch: what tracing and the libraries take is no
part of a step either. All but MiniLM and EfficientNet-Lite0 have random
weights, which cost the same. Rows of other sources are kept where an earlier
run had the same settings.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from concurrent import futures
from typing import Any

import device
import keras
import keras_hub
import networks
import numpy as np

import keras_reprogram
from keras_reprogram.acceleration import fast_layers
from keras_reprogram.acceleration import rematerialize
from keras_reprogram.inputs import DenseCombination
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.sources import TextSource

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "examples"))

import common  # noqa: E402

RESULTS = pathlib.Path(__file__).parent / "results"
BACKEND = device.BACKEND
CLASSES = 10
SOURCES = ("resnet18", "vit_tiny", "efficientnet_lite0", "minilm")
# What is timed; "rematerialized" has a benchmark of its own.
MODES = (
    "bare",
    "reprogrammed",
    "iterative",
    "own pass",
    "peer loop",
    "fine-tuning",
    "predict",
    "bare predict",
)
MEMORY_MODES = ("bare", "reprogrammed", "fine-tuning")
RATIOS = {
    "reprogrammed / bare": ("reprogrammed", "bare"),
    "reprogrammed / fine-tuning": ("reprogrammed", "fine-tuning"),
    "iterative / reprogrammed": ("iterative", "reprogrammed"),
    "iterative / own pass": ("iterative", "own pass"),
    "iterative / peer loop": ("iterative", "peer loop"),
    "predict / bare predict": ("predict", "bare predict"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", nargs="+", default=list(SOURCES))
    parser.add_argument("--canvas", type=int, default=64)
    parser.add_argument("--length", type=int, default=64, help="of a text")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    parser.add_argument(
        "--memory-times", type=int, default=9, help="the larger batch's size"
    )
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--memory-of", help="a source and a mode; for itself")
    options = parser.parse_args()
    if options.memory_of:
        print(peak(*options.memory_of.split(":"), options))
        return
    options.output.mkdir(exist_ok=True, parents=True)
    path = options.output / f"step_{BACKEND}.json"
    settings = {
        name: getattr(options, name)
        for name in ("canvas", "length", "batch_size", "steps", "rounds")
    }
    rows = known_rows(path, settings)
    rate = device.matrix_product_rate()
    for source in options.sources:
        rows[source] = {"source": source, **measured(source, options)}
        print(json.dumps(rows[source]), flush=True)
        common.write_benchmark(
            path,
            "step.py",
            device=device.accelerator(),
            matrix_product_operations_a_second=rate,
            settings=settings,
            rows=list(rows.values()),
        )


def known_rows(path: pathlib.Path, settings: dict) -> dict[str, dict]:
    """Rows of other sources from an earlier run, where it was like this one."""
    if not path.exists():
        return {}
    before = json.loads(path.read_text())
    like_this = {
        **common.circumstances(),
        "device": device.accelerator(),
        "settings": settings,
    }
    if any(before.get(key) != value for key, value in like_this.items()):
        return {}
    return {row["source"]: row for row in before["rows"]}


def build(name: str, options) -> tuple[keras.Model, Any, Any, Any]:
    """A source, inputs of it, samples, and a maker of input transformations."""
    generator = np.random.default_rng(0)
    count = options.batch_size * options.steps
    if name == "minilm":
        preset = keras_reprogram.pretrained.minilm_preset()
        source = TextSource(keras_hub.models.Backbone.from_preset(preset))
        width = source.table.output_dim
        shape = (count, options.length)
        inputs = {
            "embeddings": generator.normal(size=(*shape, width)) * 0.05,
            "padding_mask": np.ones(shape, "int32"),
        }
        inputs["embeddings"] = inputs["embeddings"].astype("float32")
        samples = generator.integers(1, 50, shape).astype("int32")
        return (
            source,
            inputs,
            samples,
            lambda: TokenReprogrammer(
                DenseCombination(50, 1000), options.length
            ),
        )
    shape = (options.canvas, options.canvas, 3)
    if name == "efficientnet_lite0":
        source = common.load_classifier(None)
    else:
        source = networks.NETWORKS[name](shape)
    inputs = generator.uniform(-1, 1, (count, *shape)).astype("float32")
    samples = generator.integers(0, 256, (count, 28, 28, 1)).astype("uint8")
    return (
        source,
        inputs,
        samples,
        lambda: InputReprogrammer((28, 28, 1), shape),
    )


def modes(name: str, options) -> dict[str, Callable[[], Callable[[], None]]]:
    """For each mode, what builds the function of one epoch."""
    source, inputs, samples, input_transformation = build(name, options)
    labels = np.arange(len(samples)) % CLASSES
    size = options.batch_size

    def part(data: Any, start: int) -> Any:
        return keras.tree.map_structure(
            lambda array: array[start : start + size], data
        )

    def trained(model: keras.Model, data: Any) -> Callable[[], float]:
        model.compile(
            keras.optimizers.Adam(1e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

        def epoch() -> float:
            watch = Stopwatch()
            model.fit(
                data, labels, batch_size=size, verbose=0, callbacks=[watch]
            )
            return watch.seconds

        return epoch

    def reprogrammed(mapping: str, source: keras.Model = source) -> keras.Model:
        return keras_reprogram.ReprogrammedModel(
            source,
            input_transformation(),
            keras_reprogram.LabelMapper(CLASSES, mapping),
        )

    def bare() -> Callable[[], None]:
        reprogrammed("random")  # freezes the source
        step = gradient_step(source)
        # On the device beforehand: nothing is slower than it must be.
        batches = [
            (
                keras.tree.map_structure(
                    keras.ops.convert_to_tensor, part(inputs, start)
                ),
                part(labels, start),
            )
            for start in range(0, len(samples), size)
        ]
        return lambda: [step(*batch) for batch in batches]

    def fine_tuning() -> Callable[[], None]:
        copy = copied(source)
        outputs = keras.layers.Dense(CLASSES)(copy.output)
        # As fast as the source, on JAX without a GPU.
        model = fast_layers.fast_copy(keras.Model(copy.input, outputs))
        return trained(model, inputs)

    def rematerialized() -> Callable[[], float]:
        copy = rematerialize(copied(source))
        return trained(reprogrammed("linear", copy), samples)

    def own_pass() -> Callable[[], None]:
        # The program and its step are the same; only the map's statistics
        # come from a pass of their own.
        model = reprogrammed("frequency")
        epoch = trained(model, samples)

        def with_pass() -> float:
            training = epoch()
            start = device.seconds()
            model.adapt(samples, labels, size, verbose=0)
            return training + device.seconds() - start

        return with_pass

    def predict() -> Callable[[], None]:
        model = reprogrammed("random")
        return lambda: model.predict(samples, batch_size=size, verbose=0)

    def bare_predict() -> Callable[[], None]:
        plain = fast_layers.fast_copy(source)
        return lambda: plain.predict(inputs, batch_size=size, verbose=0)

    def peer() -> Callable[[], None]:
        import peer_loop

        reprogrammed("random")  # freezes the source
        return peer_loop.epoch(
            source, samples, labels, options.canvas, CLASSES, size
        )

    found = {
        "bare": bare,
        "reprogrammed": lambda: trained(reprogrammed("linear"), samples),
        "iterative": lambda: trained(reprogrammed("iterative"), samples),
        "own pass": own_pass,
        "fine-tuning": fine_tuning,
        "predict": predict,
        "bare predict": bare_predict,
        "rematerialized": rematerialized,
    }
    if BACKEND == "torch" and name != "minilm":
        found["peer loop"] = peer
    return found


def copied(source: keras.Model) -> keras.Model:
    """A network like a source, with weights of its own."""
    return source.__class__.from_config(source.get_config())


class Stopwatch(keras.callbacks.Callback):
    """The seconds of `fit` from its first batch on."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.start = device.seconds()

    def on_train_end(self, logs: Any = None) -> None:
        self.seconds = device.seconds() - self.start


def varied_part(inputs: Any) -> Any:
    """What the gradient is of: a canvas, or the embeddings of a text."""
    return inputs["embeddings"] if isinstance(inputs, dict) else inputs


def gradient_step(source: keras.Model) -> Callable[[Any, Any], None]:
    """Loss and its gradient at the source's input, in the backend itself."""
    if BACKEND == "torch":
        import torch

        def step(inputs: Any, labels: np.ndarray) -> None:
            tensors = keras.tree.map_structure(torch.Tensor.detach, inputs)
            varied = varied_part(tensors)
            varied.requires_grad_(True)
            scores = source(tensors, training=False)[:, :CLASSES]
            loss = torch.nn.functional.cross_entropy(
                scores, keras.ops.convert_to_tensor(labels)
            )
            loss.backward()
            loss.item()

        return step
    if BACKEND == "tensorflow":
        import tensorflow as tf

        @tf.function(jit_compile=False)
        def gradient(inputs: Any, labels: Any) -> Any:
            varied = varied_part(inputs)
            with tf.GradientTape() as tape:
                tape.watch(varied)
                scores = source(inputs, training=False)[:, :CLASSES]
                loss = tf.reduce_mean(
                    tf.nn.sparse_softmax_cross_entropy_with_logits(
                        labels, scores
                    )
                )
            return loss, tape.gradient(loss, varied)

        return lambda inputs, labels: gradient(inputs, tf.constant(labels))[
            0
        ].numpy()
    import jax

    source = fast_layers.fast_copy(source)

    @jax.jit
    def gradient(weights: Any, inputs: Any, labels: Any) -> Any:
        def loss(varied: Any) -> Any:
            full = varied
            if isinstance(inputs, dict):
                full = {**inputs, "embeddings": varied}
            scores, _ = source.stateless_call([], weights, full, training=False)
            log = jax.nn.log_softmax(scores[:, :CLASSES])
            return -log[jax.numpy.arange(len(labels)), labels].mean()

        return jax.value_and_grad(loss)(varied_part(inputs))

    def step(inputs: Any, labels: np.ndarray) -> None:
        # Frozen, none of them trainable; read anew, as `fit` moves them.
        weights = [variable.value for variable in source.variables]
        jax.block_until_ready(gradient(weights, inputs, labels))

    return step


def operations(name: str, options) -> int | None:
    """Floating-point operations of a bare step, where PyTorch counts them."""
    if BACKEND != "torch":
        return None
    from torch.utils.flop_counter import FlopCounterMode

    single = argparse.Namespace(**{**vars(options), "steps": 1})
    epoch = modes(name, single)["bare"]()
    counter = FlopCounterMode(display=False)
    with counter:
        epoch()
    return counter.get_total_flops()


def measured(name: str, options) -> dict[str, Any]:
    epochs = {
        mode: make()
        for mode, make in modes(name, options).items()
        if mode in options.modes
    }
    times = device.interleaved(epochs, options.rounds)
    memory = {}
    if not options.no_memory:
        # Processes on a GPU are counted apart: none waits for another there.
        workers = len(MEMORY_MODES) if device.accelerator() else 1
        with futures.ThreadPoolExecutor(workers) as pool:
            peaks = pool.map(
                lambda mode: memory_of(name, mode, options), MEMORY_MODES
            )
            memory = dict(zip(MEMORY_MODES, peaks))
    return {
        "operations_a_step": operations(name, options),
        "seconds_a_step": {
            mode: float(np.median(found)) / options.steps
            for mode, found in times.items()
        },
        "ratios": {
            ratio: common.quartiles(times[one] / times[other])
            for ratio, (one, other) in RATIOS.items()
            if one in times and other in times
        },
        "megabytes_a_sample": memory,
    }


def memory_of(name: str, mode: str, options) -> float:
    """What a further sample of a batch takes, in megabytes."""
    few, many = options.batch_size, options.memory_times * options.batch_size
    peaks = [peak_of(name, mode, size, options) for size in (few, many)]
    return round((peaks[1] - peaks[0]) / (many - few), 3)


def peak_of(name: str, mode: str, batch_size: int, options) -> float:
    """Peak of a process of its own, beyond the model, in megabytes."""
    command = [sys.executable, __file__, "--memory-of", f"{name}:{mode}"]
    command += ["--steps", "2", "--batch-size", str(batch_size)]
    command += ["--canvas", str(options.canvas)]
    command += ["--length", str(options.length)]
    environment = {
        **os.environ,
        # On a GPU it has the device beside this process.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        # The C library gives back what is freed: at its own discretion it
        # holds up to twice what a step has allocated.
        "MALLOC_MMAP_THRESHOLD_": "65536",
    }
    output = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env=environment
    ).stdout
    return float(output.split()[-1])


def peak(name: str, mode: str, options) -> float:
    epoch = modes(name, options)[mode]()
    before = device.held_megabytes()
    epoch()
    device.forget_peak()  # what compiling took is not a step's
    epoch()
    return round(device.peak_megabytes() - before, 1)


if __name__ == "__main__":
    main()
