"""A NumPy function in the middle of a model."""

import concurrent.futures
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops


def host_call(
    function: Callable[[np.ndarray], np.ndarray], inputs: Any, num_outputs: int
) -> Any:
    """Calls a function from `[n, ...]` to float32 `[n, num_outputs]`.

    Where the backend is tracing a step, to compile it or to learn its shapes,
    the call is put into what it traces.
    """
    backend = keras.config.backend()
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
            spec = jax.ShapeDtypeStruct(shape, "float32")
            return jax.pure_callback(function, spec, inputs)
    if backend == "torch":
        import torch

        if inputs.device.type == "meta":
            return inputs.new_empty((inputs.shape[0], num_outputs))
        # A network behind the function keeps nothing for a backward pass.
        function = torch.no_grad()(function)
    # A thread of its own is outside of the step, its replica and its scopes:
    # there a Keras model behind the function may `predict`.
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        answers = thread.submit(function, ops.convert_to_numpy(inputs))
        return ops.convert_to_tensor(answers.result())
