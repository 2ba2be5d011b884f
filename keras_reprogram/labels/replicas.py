"""One step on several devices, each with its share of the batch."""

from typing import Any

import keras


def summed_over_replicas(values: Any) -> Any:
    """Adds up what the replicas of a training step have counted.

    On TensorFlow the replicas are those of a `tf.distribute` strategy, on
    PyTorch the processes of `torch.distributed`. On JAX a step sees the whole
    batch, wherever its parts are.
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        replica = tf.distribute.get_replica_context()
        if replica is not None and replica.num_replicas_in_sync > 1:
            return replica.all_reduce(tf.distribute.ReduceOp.SUM, values)
    if backend == "torch":
        import torch.distributed as processes

        if processes.is_available() and processes.is_initialized():
            values = values.clone()
            processes.all_reduce(values)
    return values
