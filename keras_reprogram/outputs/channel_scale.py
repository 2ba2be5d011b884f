"""The scale of a forecast's channels."""

from collections.abc import Iterable

import numpy as np

from keras_reprogram.outputs.label_weights import Batch
from keras_reprogram.outputs.label_weights import weights_of_shape
from keras_reprogram.outputs.label_weights import with_weights
from keras_reprogram.outputs.ridge_regression import RidgeOfKnownTargets


def channel_scale(batches: Iterable[Batch], channels: int) -> np.ndarray:
    """Returns each channel's standard deviation in the targets.

    Args:
        batches: Iterable of tuples of anything, targets `[N, horizon,
            channels]`, NaN for missing ones, and optionally weights `[N]` or
            `[N, horizon]`.
        channels: Integer. Number of channels.

    Returns:
        An array `[channels]` of float32.

    Raises:
        ValueError: If there is no batch, no weight is above 0, or a channel
            has no target.
    """
    statistics = RidgeOfKnownTargets(channels)
    for _, values, weights in with_weights(batches):
        values = np.asarray(values)
        if weights is not None:
            weights = weights_of_shape(weights, values.shape[:2]).ravel()
        rows = np.reshape(values, (-1, channels))
        statistics.add(np.zeros((len(rows), 0)), rows, weights)
    if not statistics.count:
        raise ValueError(
            "The scale of a forecast is computed from at least one sample "
            "with a weight above 0 and a target for each channel. Received: no "
            "batches, weights of 0, or a channel of NaN"
        )
    scale: np.ndarray = statistics.target_scale()[1].astype("float32")
    return scale
