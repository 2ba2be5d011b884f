import numpy as np
import pytest

from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.canvas import Canvas


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "shape, data_format, spatial, channels",
    [
        ((4, 5, 3), "channels_last", (4, 5), 3),
        ((3, 4, 5), "channels_first", (4, 5), 3),
        ((7,), "no_channels", (7,), 1),
    ],
)
def test_a_canvas_has_the_sizes_of_its_axes(
    shape, data_format, spatial, channels
):
    axes = Axes(len(shape), data_format)
    canvas = Canvas(shape, axes, np.ones(spatial, bool))
    assert canvas.spatial_shape == spatial
    assert canvas.channels == channels
