"""Rematerialization, and faster CPU implementations of layers for JAX."""

from keras_reprogram.acceleration.rematerialization import rematerialize

__all__ = [
    "rematerialize",
]
