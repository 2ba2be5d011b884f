import numpy as np
import pytest

from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.axes import known_sizes

pytestmark = pytest.mark.numpy_alone


@pytest.mark.parametrize(
    "shape, data_format, spatial, channels",
    [
        ((4, 5, 3), "channels_last", (4, 5), 3),
        ((3, 4, 5), "channels_first", (4, 5), 3),
        ((4, 5), "no_channels", (4, 5), 1),
        ((7,), "channels_last", (7,), 1),
        ((None, 2), "channels_last", (None,), 2),
        ((2, 3, 4, 5), "channels_first", (3, 4, 5), 2),
    ],
)
def test_a_shape_has_spatial_axes_and_channels(
    shape, data_format, spatial, channels
):
    axes = Axes(len(shape), data_format)
    assert axes.spatial_shape(shape) == spatial
    assert axes.channels(shape) == channels
    doubled = [size and 2 * size for size in spatial]
    other = axes.with_spatial(shape, doubled)
    assert axes.spatial_shape(other) == tuple(doubled)
    assert axes.channels(other) == channels


@pytest.mark.parametrize(
    "data_format, shape",
    [
        ("channels_last", (1, 1, 1, 3)),
        ("channels_first", (1, 3, 1, 1)),
        ("no_channels", (3,)),
    ],
)
def test_constants_lie_along_the_channels(data_format, shape):
    axes = Axes(3, data_format)
    found = axes.along_channels([1, 2, 3])
    assert found.shape == shape and found.dtype == "float32"
    assert found.ravel().tolist() == [1, 2, 3]
    assert axes.along_channels(2).shape == ()


def test_sizes_are_known_if_all_of_them_are():
    assert known_sizes((2, 3)) == (2, 3)
    assert known_sizes((2, None)) is None
    assert known_sizes(()) == ()
    np.testing.assert_equal(known_sizes((0,)), (0,))
