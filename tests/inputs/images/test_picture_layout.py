import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs.images.picture_layout import PictureLayout


def arranged(layout, pictures):
    return ops.convert_to_numpy(
        layout.arranged(ops.convert_to_tensor(pictures))
    )


def pictures_of(layout, samples=2):
    shape = (samples, layout.num_channels, *layout.picture_sizes)
    return np.random.default_rng(0).random(shape, "float32")


def flat(pictures):
    return pictures.reshape(-1, *pictures.shape[2:])


@pytest.mark.numpy_alone
def test_gray_pictures_are_beside_each_other():
    layout = PictureLayout(5, 1, (9, 8))
    assert layout.grid == (2, 3) and layout.picture_sizes == (4, 2)
    pictures = pictures_of(layout)
    canvas = arranged(layout, flat(pictures))
    assert canvas.shape == (2, 1, 9, 8)
    for channel in range(5):
        row, column = divmod(channel, 3)
        np.testing.assert_array_equal(
            canvas[:, 0, 4 * row : 4 * row + 4, 2 * column : 2 * column + 2],
            pictures[:, channel],
        )
    expected = np.zeros((9, 8), bool)
    expected[:4, :6] = expected[4:8, :4] = True
    np.testing.assert_array_equal(layout.data_mask(), expected)
    assert not canvas[:, :, ~expected].any()


def test_channels_are_colors_and_missing_ones_their_mean():
    layout = PictureLayout(3, 3, (4, 6))
    pictures = pictures_of(layout)
    np.testing.assert_allclose(
        arranged(layout, flat(pictures)), pictures, rtol=1e-6
    )
    assert layout.data_mask().all()
    layout = PictureLayout(5, 3, (4, 6))
    assert layout.grid == (1, 2) and layout.picture_sizes == (4, 3)
    pictures = pictures_of(layout)
    canvas = arranged(layout, flat(pictures))
    np.testing.assert_allclose(canvas[..., :3], pictures[:, :3], rtol=1e-6)
    np.testing.assert_allclose(canvas[:, :2, :, 3:], pictures[:, 3:], rtol=1e-6)
    np.testing.assert_allclose(
        canvas[:, 2, :, 3:], pictures[:, 3:].mean(axis=1), rtol=1e-6
    )


@pytest.mark.numpy_alone
def test_a_single_channel_in_colors_is_gray():
    np.testing.assert_array_equal(
        PictureLayout(1, 3, (4, 4)).color_shares(), np.ones((3, 1))
    )
