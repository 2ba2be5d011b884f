"""What can be known of sources and programs without training them."""

from keras_reprogram.diagnostics.h_score import h_score
from keras_reprogram.diagnostics.logme import logme

__all__ = [
    "h_score",
    "logme",
]
