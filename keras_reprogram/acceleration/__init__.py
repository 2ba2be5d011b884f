"""Rematerialization, and layers that are slow on JAX and a CPU."""

from keras_reprogram.acceleration.rematerialization import rematerialize

__all__ = [
    "rematerialize",
]
