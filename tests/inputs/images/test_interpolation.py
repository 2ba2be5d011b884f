import numpy as np
import pytest
from keras import ops
from placing import place

from keras_reprogram.inputs import Resize
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.interpolation import check_interpolation
from keras_reprogram.inputs.images.interpolation import resampled
from keras_reprogram.inputs.images.interpolation import resampling_matrix
from keras_reprogram.inputs.images.interpolation import resize
from keras_reprogram.inputs.images.interpolation import resize_matrix


def test_resizing_a_series_is_linear_interpolation():
    series = np.random.default_rng(0).random((2, 10, 3))
    resized = place(Resize(), series, (25, 3))
    positions = np.clip((np.arange(25) + 0.5) * 10 / 25 - 0.5, 0, 9)
    for sample, row in zip(series, resized):
        for channel in range(3):
            np.testing.assert_allclose(
                row[:, channel],
                np.interp(positions, np.arange(10), sample[:, channel]),
                atol=1e-5,
            )


def test_resizing_one_axis_at_a_time_equals_resizing_an_image():
    image = np.random.default_rng(0).random((2, 5, 6, 1))
    whole = place(Resize(), image, (9, 13, 1))
    split = place(Resize(), image[..., 0], (9, 13), "no_channels")
    np.testing.assert_allclose(split, whole[..., 0], atol=1e-5)


def test_a_volume_and_a_waveform_are_resized():
    assert place(Resize(), np.ones((2, 3, 4, 5, 1)), (6, 6, 6, 1)).shape == (
        (2, 6, 6, 6, 1)
    )
    np.testing.assert_allclose(place(Resize(), np.ones((2, 7)), (20,)), 1.0)


@pytest.mark.parametrize("name", ["bilinear", "nearest", "bicubic"])
def test_a_matrix_resizes_one_axis_and_keeps_a_constant(name):
    series = np.random.default_rng(0).random((1, 5)).astype("float32")
    matrix = resize_matrix(5, 8, name)
    found = resize(series, (8,), Axes(1, "no_channels"), name)
    np.testing.assert_allclose(
        ops.convert_to_numpy(found)[0], matrix @ series[0], atol=1e-6
    )
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(resize_matrix(5, 5, name), np.eye(5))
    assert resize_matrix(5, 8, name) is matrix
    assert not matrix.flags.writeable


def test_no_such_interpolation_is_a_value_error():
    check_interpolation("bicubic")
    with pytest.raises(ValueError, match="Received: interpolation='best'"):
        check_interpolation("best")


def test_resampling_is_the_mean_of_what_is_joined_and_linear_between():
    matrix = resampling_matrix(4, 8)
    np.testing.assert_allclose(matrix, resize_matrix(4, 8, "bilinear"))
    values = np.random.default_rng(0).random((2, 12, 3), "float32")
    found = ops.convert_to_numpy(resampled(ops.convert_to_tensor(values), 3, 1))
    shares = np.array([1, 3, 5, 7, 7, 5, 3, 1]) / 32
    np.testing.assert_allclose(
        found[:, 1], np.einsum("nkc,k->nc", values[:, 2:10], shares), atol=1e-6
    )
    np.testing.assert_allclose(resampling_matrix(1000, 7).sum(axis=1), 1.0)
    with pytest.raises(ValueError, match="too long.*Received: "):
        resampling_matrix(2**25, 2)
