"""Losses for targets with missing labels, and for quantiles."""

from keras_reprogram.losses.masked_binary_crossentropy import (
    MaskedBinaryCrossentropy,
)
from keras_reprogram.losses.masked_errors import MaskedMeanAbsoluteError
from keras_reprogram.losses.masked_errors import MaskedMeanSquaredError
from keras_reprogram.losses.pinball import PinballLoss

__all__ = [
    "MaskedBinaryCrossentropy",
    "MaskedMeanAbsoluteError",
    "MaskedMeanSquaredError",
    "PinballLoss",
]
