"""The reprogrammed model, and how data get to it."""

from keras_reprogram.models.reprogrammed_model import ReprogrammedModel

__all__ = [
    "ReprogrammedModel",
]
