"""What Keras keeps to itself and this package cannot do without.

Each function names the version it was seen in; `tests/test_keras_internals.py`
fails where Keras changes it.
"""

import sys

import keras
import numpy as np

EXPORTERS = (
    "keras.src.export.",
    "tensorflow.python.saved_model.save",
    "tensorflow.lite.python.",
    "torch.export.",
    "torch.jit.",
    "torch.onnx.",
)


def in_symbolic_scope() -> bool:
    """Whether Keras is computing shapes and dtypes alone (Keras 3.15)."""
    from keras.src.backend.common import symbolic_scope

    return symbolic_scope.in_symbolic_scope()


def in_stateless_scope() -> bool:
    """Whether variables have the values of a function of JAX (Keras 3.15)."""
    from keras.src.backend.common import stateless_scope

    return stateless_scope.in_stateless_scope()


def is_exporting() -> bool:
    """Whether what is traced will be written to a file (Keras 3.15).

    Exporters tell their callers nothing: they are looked for on the stack.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(EXPORTERS):
            return True
        frame = frame.f_back
    return False


def entry_layer(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """The outermost layer of the call that is under way (Keras 3.15)."""
    return layer._get_call_context().entry_layer


def concrete_value(variable: keras.Variable) -> np.ndarray | None:
    """A variable's value outside of what is being traced (Keras 3.15).

    Returns:
        An array; `None` while Keras holds the value somewhere else, as during
        training on JAX.
    """
    value = variable._value
    if value is None:
        return None
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.init_scope():
            return value.numpy()
    if backend == "jax":
        import jax

        # A step takes over what it is given, and deletes it.
        if isinstance(value, jax.core.Tracer) or value.is_deleted():
            return None
        return np.asarray(value)
    return None if value.is_meta else value.detach().cpu().numpy()
