"""What a benchmark asks of the device in use, on every backend."""

import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

BACKEND = keras.config.backend()
MOST_FRAMES = 120  # several chunks of the stack, for what a network calls
if BACKEND == "torch":
    import torch

    # As convolutions have it, and as JAX has it for all: TF32 on a GPU.
    torch.set_float32_matmul_precision("high")


def accelerator() -> str | None:
    """The name of the GPU that the backend uses, or `None`."""
    if BACKEND == "torch":
        if torch.cuda.is_available():
            return torch.cuda.get_device_name()
        return None
    if BACKEND == "jax":
        import jax

        device = jax.devices()[0]
        return device.device_kind if device.platform == "gpu" else None
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return None
    return tf.config.experimental.get_device_details(gpus[0])["device_name"]


def seconds() -> float:
    """A clock: the processor's time, which other work does not change.

    With a GPU it is the time that passes: what is measured must then end with
    a value that the host reads.
    """
    if accelerator():
        return time.perf_counter()
    return time.process_time()


def called_at(depth: int, function: Callable[[], Any]) -> Any:
    """Calls a function from so many frames further down the stack."""
    return called_at(depth - 1, function) if depth else function()


def interleaved(
    functions: dict[str, Callable[[], Any]], rounds: int
) -> dict[str, np.ndarray]:
    """Seconds of every function in every round; each round begins elsewhere.

    A function that returns a `float` says itself how many seconds count.
    All are called once beforehand, which compiles them. Python is up to a third
    slower at some depths of its stack than at others, whatever it runs: each
    call is made from a depth of its own.
    """
    depths = np.random.default_rng(0)
    for function in functions.values():
        function()
    names = list(functions)
    found: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            depth = int(depths.integers(MOST_FRAMES))
            start = seconds()
            counted = called_at(depth, functions[name])
            if not isinstance(counted, float):
                counted = seconds() - start
            found[name].append(counted)
    return {name: np.asarray(values) for name, values in found.items()}


def peak_megabytes() -> float:
    """The most memory that was held since `forget_peak`.

    On a GPU it is the GPU's; on JAX and TensorFlow since the process began.
    """
    if not accelerator():
        return status("VmHWM")
    if BACKEND == "torch":
        peak = torch.cuda.max_memory_allocated()
    elif BACKEND == "jax":
        import jax

        peak = jax.devices()[0].memory_stats()["peak_bytes_in_use"]
    else:
        import tensorflow as tf

        peak = tf.config.experimental.get_memory_info("GPU:0")["peak"]
    return peak / 2**20


def held_megabytes() -> float:
    """The memory that is held now."""
    if not accelerator():
        return status("VmRSS")
    if BACKEND == "torch":
        held = torch.cuda.memory_allocated()
    elif BACKEND == "jax":
        import jax

        held = jax.devices()[0].memory_stats()["bytes_in_use"]
    else:
        import tensorflow as tf

        held = tf.config.experimental.get_memory_info("GPU:0")["current"]
    return held / 2**20


def forget_peak() -> None:
    if not accelerator():
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    elif BACKEND == "torch":
        torch.cuda.reset_peak_memory_stats()


def status(name: str) -> float:
    """What the process holds now (VmRSS) or at most held (VmHWM)."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise OSError(f"no {name} in /proc/self/status")


def matrix_product_rate(repeats: int = 10) -> float:
    """Floating-point operations a second of a large product in float32.

    As Keras and the backend are set, TF32 included where that is on: the
    practical peak of a network's layers.
    """
    size = 4096 if accelerator() else 1024
    generator = np.random.default_rng(0)
    values = generator.normal(size=(size, size)).astype("float32")
    matrix: Any = keras.ops.convert_to_tensor(values / np.sqrt(size))

    def multiplied(times: int) -> float:
        start = time.perf_counter()
        product = matrix
        for _ in range(times):
            product = keras.ops.matmul(product, matrix)
        keras.ops.convert_to_numpy(product[0, 0])
        return time.perf_counter() - start

    multiplied(2)
    return repeats * 2 * size**3 / multiplied(repeats)
