"""Calls of a NumPy function within a model."""

import queue
import threading
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_reprogram.keras_internals import in_symbolic_scope
from keras_reprogram.keras_internals import is_exporting
from keras_reprogram.typing import Tensor

NOT_EXPORTED = (
    "A model that queries a function is not exported, since the file cannot "
    "hold the function: write the program by `save_program`, and load it in "
    "front of the source where the function is. Received: a model with a "
    "`QueriedSource`"
)


def call_numpy_function(
    function: Callable[[np.ndarray], np.ndarray],
    inputs: Tensor,
    num_outputs: int,
) -> Tensor:
    """Calls a NumPy function, eagerly or within a compiled step.

    While the backend traces a step, the call becomes a part of the trace.

    Args:
        function: Callable. Maps an array `(n, ...)` to a float32 array
            `(n, num_outputs)`.
        inputs: Tensor `(n, ...)`.
        num_outputs: Integer. The size of the outputs' last axis.

    Returns:
        A float32 tensor `(n, num_outputs)`.

    Raises:
        ValueError: If the model is being exported. The file cannot hold the
            function and would return the same outputs for all inputs.
    """
    backend = keras.config.backend()
    if is_exporting() and not in_symbolic_scope():
        raise ValueError(NOT_EXPORTED)
    if backend == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            outputs = tf.numpy_function(function, [inputs], tf.float32)
            outputs.set_shape((inputs.shape[0], num_outputs))
            return outputs
    if backend == "jax":
        import jax

        if isinstance(inputs, jax.core.Tracer):
            shape = (inputs.shape[0], num_outputs)
            make_spec: Callable[..., jax.ShapeDtypeStruct] = (
                jax.ShapeDtypeStruct
            )
            return jax.pure_callback(
                function, make_spec(shape, "float32"), inputs
            )
    if backend == "torch":
        import torch

        if in_symbolic_scope():
            # Where a layer cannot compute without values, they are ones.
            shape = (inputs.shape[0], num_outputs)
            return inputs.new_zeros(shape, dtype=torch.float32)
        # A PyTorch model behind the function needs no backward pass.
        function = torch.no_grad()(function)
    return ops.convert_to_tensor(
        call_in_thread(function, ops.convert_to_numpy(inputs))
    )


def call_in_thread(
    function: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray
) -> np.ndarray:
    """Calls a function in a new thread and waits for it.

    A new thread is outside of the step's scopes and replicas, so a Keras
    model behind the function can `predict`. Ctrl-C and the end of the process
    do not wait for the thread.
    """
    results: queue.SimpleQueue[np.ndarray | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            results.put(function(inputs))
        except BaseException as error:
            results.put(error)

    threading.Thread(target=work, daemon=True).start()
    result = results.get()
    if isinstance(result, BaseException):
        raise result
    return result
