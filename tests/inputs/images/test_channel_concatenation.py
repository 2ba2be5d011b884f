import keras
import numpy as np
import pytest
from keras import ops
from placing import place

from keras_reprogram.inputs import ChannelConcatenation
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import Tile
from keras_reprogram.inputs.images.axes import Axes


@pytest.mark.parametrize("canvas_shape", [(20,), (20, 1)])
@pytest.mark.parametrize(
    "placement", [Pad(), Pad(offset=(7,)), Tile(3), Tile(2, inner_size=9)]
)
@pytest.mark.parametrize(
    "data_format", ["channels_last", "channels_first", "no_channels"]
)
def test_channels_lie_one_after_the_other(placement, canvas_shape, data_format):
    if len(canvas_shape) == 2 and data_format == "channels_first":
        canvas_shape = (1, 20)
    axes = Axes(len(canvas_shape), data_format)
    if axes.channels(canvas_shape) != 1 or len(axes.spatial) != 1:
        return
    first, second = np.array([1.0, 2, 3]), np.array([4.0, 5, 6])
    channels = np.stack([first, second])[None]
    samples = channels if data_format == "channels_first" else channels.mT
    long = np.concatenate([first, second])[None]
    placed = ChannelConcatenation(placement)
    placed.check(samples.shape[1:], canvas_shape, axes)
    canvas = ops.convert_to_numpy(
        placed.place(ops.convert_to_tensor(samples), canvas_shape, axes)
    )
    assert canvas.shape == (1, *canvas_shape)
    np.testing.assert_allclose(canvas.ravel(), place(placement, long, (20,))[0])
    mask = placed.data_mask(samples.shape[1:], canvas_shape, axes)
    np.testing.assert_array_equal(mask, canvas.ravel() != 0)


def test_a_series_of_one_channel_is_placed_as_it_is():
    series = np.arange(1.0, 5.0)[None]
    np.testing.assert_array_equal(
        place(ChannelConcatenation("tile"), series, (8,)),
        place(Tile(), series, (8,)),
    )


@pytest.mark.parametrize(
    "sample_shape, canvas_shape",
    [
        ((4, 2), (16, 3)),
        ((4, 4, 1), (16,)),
        ((None, 2), (16,)),
        ((4, 2), (8, 8, 1)),
    ],
)
def test_channels_that_are_no_series_are_a_value_error(
    sample_shape, canvas_shape
):
    axes = Axes(len(canvas_shape), "channels_last")
    with pytest.raises(ValueError, match="Received: "):
        ChannelConcatenation().check(sample_shape, canvas_shape, axes)


def test_channels_in_time_survive_their_config():
    placement = ChannelConcatenation(Tile(3, inner_size=9))
    config = keras.saving.serialize_keras_object(placement)
    assert keras.saving.deserialize_keras_object(config) == placement


@pytest.mark.parametrize(
    "make",
    [
        lambda: ChannelConcatenation("middle"),
    ],
)
def test_a_placement_that_is_none_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
