"""What all drawings have in common."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram.inputs import GramianField
from keras_reprogram.inputs import SeriesDrawing
from keras_reprogram.inputs import SeriesPicture
from keras_reprogram.inputs import Spectrogram
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.canvas import Canvas

DRAWINGS = [
    ("difference", "channel"),
    ("recurrence", "channel"),
    ("gramian", "channel"),
    (GramianField("difference"), "value_range"),
    ("spectrogram", "channel"),
    (Spectrogram(sampling_rate=1000), "value_range"),
]
LENGTH = 30
# A constant series, one with ties, one of extreme values, and an ordinary one.
SERIES = np.stack(
    [
        np.full(LENGTH, 3.0),
        np.repeat([0.0, 1.0, 0.0], 10),
        np.tile([-1e6, 1e6], 15),
        np.sin(np.arange(LENGTH)),
    ]
).astype("float32")


@pytest.mark.parametrize("drawing, scaling", DRAWINGS)
def test_pictures_are_in_the_unit_range_with_finite_gradients(drawing, scaling):
    series = keras.Input((LENGTH,))
    pattern = UniversalPattern(activation=None)
    axes = Axes(1, "channels_last")
    pattern.build_on(Canvas((LENGTH,), axes, np.ones(LENGTH, bool)))
    layer = InputReprogrammer(
        (LENGTH,),
        (12, 9, 3),
        SeriesPicture(drawing, scaling=scaling),
        pattern=None,
        value_range=(-1, 1),
        scale=1 / 255,
    )
    model = keras.Model(series, layer(ops.add(series, pattern(series))))
    canvas = model.predict_on_batch(SERIES)
    assert canvas.shape == (4, 12, 9, 3)
    assert canvas.min() >= -1e-5 and canvas.max() <= 1 + 1e-5
    model.compile(keras.optimizers.SGD(1e-6), "mse")
    # All but the last one have ties everywhere.
    targets = np.linspace(0, 1, 12 * 9 * 3).reshape(1, 12, 9, 3)
    model.train_on_batch(SERIES, np.repeat(targets, 4, axis=0))
    moved = ops.convert_to_numpy(pattern.theta.value)
    assert np.isfinite(moved).all() and moved.any()


@pytest.mark.numpy_alone
def test_the_base_class_draws_nothing():
    with pytest.raises(NotImplementedError):
        SeriesDrawing().steps(4, (8, 8))
    with pytest.raises(NotImplementedError):
        SeriesDrawing().draw(None, (8, 8))
