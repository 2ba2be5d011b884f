import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram.inputs import Affine
from keras_reprogram.inputs import ColorGain
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs.images.axes import Axes


def layer_of(placement, shape, pattern=None):
    layer = InputReprogrammer(
        shape, (8, 8, 3), placement, pattern, value_range=None
    )
    layer.build((None, *shape))
    return layer


def canvas_of(layer, samples):
    return ops.convert_to_numpy(layer(samples))


@pytest.mark.parametrize("shape", [(4, 4, 1), (5, 6, 3)])
def test_training_starts_from_the_inner_placement(shape):
    samples = np.random.default_rng(0).random((2, *shape), "float32")
    found, expected = (
        canvas_of(layer_of(placement, shape), samples)
        for placement in (ColorGain("pad"), "pad")
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_each_value_has_a_factor_between_zero_and_the_largest():
    placement = ColorGain("resize", largest=3.0)
    layer = layer_of(placement, (8, 8, 1))
    theta = np.random.default_rng(0).normal(size=(8, 8, 3))
    theta[0, 0], theta[0, 1] = 100, -100
    placement.theta.assign(theta)
    canvas = canvas_of(layer, np.full((1, 8, 8, 1), 2.0, "float32"))[0]
    np.testing.assert_allclose(canvas, 6 / (1 + np.exp(-theta)), 1e-4, 1e-6)


def test_a_pattern_is_not_multiplied():
    placement = ColorGain(Affine(Pad(), outside=True))
    layer = layer_of(placement, (4, 4, 1), "everywhere")
    layer.pattern.theta.assign(np.full(8 * 8 * 3, 100.0))
    placement.theta.assign(np.full((8, 8, 3), 100.0))
    canvas = canvas_of(layer, np.full((1, 4, 4, 1), 2.0, "float32"))[0]
    np.testing.assert_allclose(canvas[2:6, 2:6], 12.0, rtol=1e-5)
    np.testing.assert_allclose(canvas[:2], 1.0, rtol=1e-5)


def test_variables_are_as_declared_and_a_config_makes_the_same():
    placement = ColorGain(Affine())
    layer_of(placement, (4, 4, 1))
    axes = Axes(3, "channels_last")
    expected = placement.expected_variables((4, 4, 1), (8, 8, 3), axes)
    assert [tuple(weight.shape) for weight in placement.weights] == [
        variable.shape for variable in expected
    ]
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(placement)
    )
    assert copy.get_config() == placement.get_config()


@pytest.mark.parametrize(
    "make", [lambda: ColorGain(largest=1), lambda: ColorGain("color")]
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
