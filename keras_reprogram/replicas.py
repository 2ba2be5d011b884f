"""Sums over the replicas of a distributed training step."""

from types import ModuleType

import keras

from keras_reprogram.typing import Tensor


def summed_over_replicas(values: Tensor) -> Tensor:
    """Sums a tensor over the replicas of a training step.

    On TensorFlow the replicas are those of a `tf.distribute` strategy, on
    PyTorch the processes of `torch.distributed`. On JAX a step computes with
    the whole batch, so there is nothing to sum.
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


def process_group() -> ModuleType | None:
    """Returns `torch.distributed` if there are several processes."""
    if keras.config.backend() != "torch":
        return None
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return None
    return distributed if distributed.get_world_size() > 1 else None
