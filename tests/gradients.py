"""Gradients of plain functions, on every backend."""

import keras
from keras import ops


def gradient(function, samples):
    """The gradient of a sum of what a function returns."""
    backend = keras.config.backend()
    if backend == "jax":
        import jax

        return jax.grad(lambda x: ops.sum(function(x)))(ops.array(samples))
    if backend == "torch":
        tensor = ops.convert_to_tensor(samples).requires_grad_(True)
        ops.sum(function(tensor)).backward()
        return tensor.grad
    import tensorflow as tf

    tensor = tf.constant(samples)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        result = ops.sum(function(tensor))
    return tape.gradient(result, tensor)
