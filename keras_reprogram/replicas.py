"""One step on several devices, each with its share of the batch."""

from typing import Any

import keras


def summed_over_replicas(values: Any) -> Any:
    """Adds up what the replicas of a training step have counted.

    On TensorFlow the replicas are those of a `tf.distribute` strategy, on
    PyTorch the processes of `torch.distributed`. On JAX a step sees the whole
    batch, wherever its parts are.
    """
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        replica = tf.distribute.get_replica_context()
        if replica is not None and replica.num_replicas_in_sync > 1:
            return replica.all_reduce(tf.distribute.ReduceOp.SUM, values)
    processes = process_group()
    if processes is not None:
        values = values.clone()
        processes.all_reduce(values)
    return values


def process_group() -> Any:
    """`torch.distributed`, where there is more than this process."""
    if keras.config.backend() != "torch":
        return None
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return None
    return distributed if distributed.get_world_size() > 1 else None
