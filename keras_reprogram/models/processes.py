"""Training in several processes of PyTorch, each on its share of the data."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from keras_reprogram.replicas import process_group


@contextlib.contextmanager
def synchronize_processes(model: keras.Model) -> Iterator[None]:
    """Keeps the program and the label map of all processes the same.

    With `torch.distributed`, everyone starts from what the first process has,
    and a gradient is the mean of the processes' gradients. On the other
    backends, and in a process by itself, nothing is changed.
    """
    processes = process_group()
    if processes is None:
        yield
        return
    if model.gradient_estimator is not None:
        raise ValueError(
            "Gradients from queries are those of one process: leave "
            "`torch.distributed` out, or train by the gradient itself. "
            f"Received: gradient_estimator={model.gradient_estimator}"
        )

    def average(parameter: Any) -> None:
        processes.all_reduce(parameter.grad)
        parameter.grad /= processes.get_world_size()

    for variable in model.learned_variables:
        processes.broadcast(variable.value.data, 0)
    hooks = [
        variable.value.register_post_accumulate_grad_hook(average)
        for variable in model.trainable_variables
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
