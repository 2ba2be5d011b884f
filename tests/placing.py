"""Samples on a canvas, for the tests of placements."""

from keras import ops

from keras_reprogram.inputs.images.axes import Axes


def place(placement, samples, canvas_shape, data_format="channels_last"):
    axes = Axes(samples.ndim - 1, data_format)
    samples = ops.convert_to_tensor(samples.astype("float32"))
    placed = placement.place(samples, canvas_shape, axes)
    return ops.convert_to_numpy(placed)


def data_mask(placement, sample_shape, canvas_shape):
    axes = Axes(len(sample_shape), "channels_last")
    return placement.data_mask(sample_shape, canvas_shape, axes)
