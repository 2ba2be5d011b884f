"""A NumPy function in the middle of a model, and what it may return."""

import queue
import threading
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_reprogram.keras_internals import in_symbolic_scope
from keras_reprogram.keras_internals import is_exporting

NOT_EXPORTED = (
    "A model that queries a function is not exported, since the file cannot "
    "hold the function: write the program by `save_program`, and load it in "
    "front of the source where the function is. Received: a model with a "
    "`QueriedSource`"
)


def host_call(
    function: Callable[[np.ndarray], np.ndarray], inputs: Any, num_outputs: int
) -> Any:
    """Calls a function from `[n, ...]` to float32 `[n, num_outputs]`.

    Where the backend is tracing a step, to compile it or to learn its shapes,
    the call is put into what it traces.

    Raises:
        ValueError: If that is written to a file, which cannot hold the
            function, and would return the same for all inputs.
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
            spec = jax.ShapeDtypeStruct(shape, "float32")
            return jax.pure_callback(function, spec, inputs)
    if backend == "torch":
        import torch

        if inputs.device.type == "meta":
            return inputs.new_empty((inputs.shape[0], num_outputs))
        # A network behind the function keeps nothing for a backward pass.
        function = torch.no_grad()(function)
    return ops.convert_to_tensor(
        in_a_thread(function, ops.convert_to_numpy(inputs))
    )


def in_a_thread(
    function: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray
) -> np.ndarray:
    """Calls a function in a thread of its own, and waits for it.

    That is outside of the step, its replica and its scopes: there a Keras model
    behind the function may `predict`. Neither Ctrl-C nor the end of the process
    waits for the thread.
    """
    found: queue.SimpleQueue = queue.SimpleQueue()

    def work() -> None:
        try:
            found.put((function(inputs), None))
        except BaseException as error:
            found.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    answers, error = found.get()
    if error is not None:
        raise error
    return answers


def numeric_array(value: Any) -> np.ndarray:
    """Returns a NumPy array of numbers, with NaN for what is masked.

    Args:
        value: An array, a tensor of any library, a data frame, or lists.

    Raises:
        ValueError: If the value is no array of real numbers.
    """
    value = plain(value)
    if isinstance(value, (list, tuple)):
        value = [plain(item) for item in value]
    try:
        array = np.asarray(value)
        if is_narrow(array.dtype):
            array = array.astype("float32")
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            "An array of numbers is expected, with rows of the same length. "
            f"Received: a value of type {type(value).__name__}, and {error}"
        ) from error
    if array.dtype.kind not in "biuf":
        raise ValueError(
            "An array of real numbers is expected; convert objects by "
            '`astype("float32")` if they are numbers. Received: a value of '
            f"type {type(value).__name__} with dtype {array.dtype}"
        )
    return array


def plain(value: Any) -> Any:
    """Returns a value that NumPy converts without loss."""
    if hasattr(value, "detach"):  # a tensor of PyTorch
        value = value.detach().cpu()
        # NumPy has no bfloat16.
        return value.double() if value.is_floating_point() else value
    if isinstance(value, np.ma.MaskedArray) and value.dtype.kind in "biuf":
        return value.astype("float64").filled(np.nan)
    return value


def is_narrow(dtype: np.dtype) -> bool:
    """Whether a dtype is bfloat16 or a narrower one of other libraries."""
    return dtype.kind == "V" and not dtype.name.startswith("void")
