import numpy as np
import pytest
from keras import ops

from keras_reprogram.acceleration import shifted_convolution
from keras_reprogram.acceleration.convolution_geometry import Axis

# On every backend they are computed by `test_fast_layers.py`.
pytestmark = pytest.mark.numpy_alone

GENERATOR = np.random.default_rng(0)
INPUTS = GENERATOR.normal(size=(2, 6, 9, 3)).astype("float32")


def axes_of(kernel_size, strides, padding, dilation=1):
    lengths = INPUTS.shape[1:3]
    return [
        Axis(*sizes, dilation, padding)
        for sizes in zip(lengths, kernel_size, strides)
    ]


def assert_same(found, expected):
    np.testing.assert_allclose(
        ops.convert_to_numpy(found),
        ops.convert_to_numpy(expected),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "kernel_size, strides, dilation",
    [((3, 3), (1, 1), 1), ((2, 3), (2, 2), 1), ((3, 2), (1, 1), 2)],
)
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_convolutions_are_those_of_keras(
    kernel_size, strides, dilation, padding
):
    axes = axes_of(kernel_size, strides, padding, dilation)
    kernel = GENERATOR.normal(size=(*kernel_size, 3, 4)).astype("float32")
    settings = dict(
        strides=strides, padding=padding, dilation_rate=(dilation, dilation)
    )
    assert_same(
        shifted_convolution.convolution(axes, INPUTS, kernel),
        ops.conv(INPUTS, kernel, **settings),
    )
    kernel = kernel[..., :2]
    assert_same(
        shifted_convolution.depthwise_convolution(axes, INPUTS, kernel),
        ops.depthwise_conv(INPUTS, kernel, **settings),
    )


def test_a_convolution_of_patches_is_that_of_keras():
    kernel = GENERATOR.normal(size=(2, 3, 3, 4)).astype("float32")
    axes = axes_of((2, 3), (2, 3), "valid")
    assert_same(
        shifted_convolution.patch_convolution(axes, INPUTS, kernel),
        ops.conv(INPUTS, kernel, strides=(2, 3)),
    )


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_maxima_are_those_of_keras(padding):
    axes = axes_of((2, 3), (2, 1), padding)
    assert_same(
        shifted_convolution.max_pooling(axes, INPUTS),
        ops.max_pool(INPUTS, (2, 3), (2, 1), padding),
    )
