import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import ScaledPad
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.canvas import Canvas

CANVAS = Canvas((8, 8, 1), Axes(3, "channels_last"), np.ones((8, 8), bool))


def outputs_of(layer, samples):
    return ops.convert_to_numpy(layer(samples))


@pytest.mark.parametrize("shape", [(4, 6, 3), (5,), (7, 3)])
def test_at_scale_one_a_scaled_pad_is_a_pad(shape):
    canvas = (12, 12, 3)[: len(shape)] if len(shape) != 2 else (13, 3)
    if len(shape) == 1:
        canvas = (13,)
    samples = np.random.default_rng(0).random((2, *shape), "float32")
    layers = [
        InputReprogrammer(
            shape, canvas, placement=placement, pattern=None, value_range=None
        )
        for placement in (ScaledPad(None), Pad())
    ]
    np.testing.assert_allclose(
        *(outputs_of(layer, samples) for layer in layers), atol=1e-5
    )


def test_positions_are_exact_where_the_layer_computes_in_bfloat16():
    matrices = []
    for dtype in ("float32", "bfloat16"):
        placement = ScaledPad(None, scale=1.03)
        placement.build_on(CANVAS)
        matrix = placement.scale_matrices((128,), (224,), dtype)[0]
        matrices.append(ops.convert_to_numpy(ops.cast(matrix, "float32")))
    np.testing.assert_allclose(*matrices, atol=4e-3)


def test_twice_the_scale_is_twice_the_size():
    layer = InputReprogrammer(
        (4, 4, 1),
        (16, 16, 1),
        placement=ScaledPad(None, scale=2.0),
        pattern="everywhere",
        value_range=None,
    )
    layer.build((None, 4, 4, 1))
    layer.pattern.theta.assign(np.full(256, 100.0))
    canvas = outputs_of(layer, np.full((1, 4, 4, 1), 7.0))[0, ..., 0]
    np.testing.assert_allclose(canvas[5:11, 5:11], 7.0, rtol=1e-5)
    np.testing.assert_allclose(canvas[:3], 1.0, rtol=1e-5)


def test_the_scale_learns_and_stays_in_bounds():
    placement = ScaledPad(None)
    inputs = keras.Input((4, 4, 1))
    layer = InputReprogrammer(
        (4, 4, 1), (16, 16, 1), placement, pattern=None, value_range=None
    )
    pooled = keras.layers.GlobalAveragePooling2D()(layer(inputs))
    model = keras.Model(inputs, pooled)
    assert [w.path for w in model.trainable_weights] == [placement.scale.path]
    model.compile(keras.optimizers.SGD(1.0), "mse")
    ones = np.ones((8, 4, 4, 1))
    model.fit(ones, np.full((8, 1), 0.25), epochs=100, verbose=0)
    # A square of 8x8 is a quarter of the canvas: twice the size.
    np.testing.assert_allclose(float(placement.scale.value), 2.0, atol=0.1)
    model.compile(keras.optimizers.SGD(1e4), "mse")
    model.fit(ones, np.full((8, 1), -9.0), verbose=0)
    np.testing.assert_allclose(float(placement.scale.value), 0.1, rtol=1e-6)


def test_a_config_makes_the_same_scaled_pad():
    placement = ScaledPad((8, 9), scale=1.5)
    layer = InputReprogrammer((4, 4, 1), (16, 16, 3), placement)
    copy = InputReprogrammer.from_config(layer.get_config())
    assert copy.placement.inner_size == (8, 9)
    assert copy.placement.initial_scale == 1.5


@pytest.mark.parametrize(
    "make",
    [
        lambda: ScaledPad(0),
        lambda: ScaledPad(scale=9),
        lambda: ScaledPad(scale="large"),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


@pytest.mark.parametrize("length", [4, 5])
def test_an_odd_gap_is_not_blurred(length):
    generator = np.random.default_rng(0)
    samples = generator.random((2, length, length, 1)).astype("float32")
    axes = Axes(3, "channels_last")
    placement = ScaledPad(inner_size=None)
    placement.build_on(CANVAS)
    np.testing.assert_allclose(
        ops.convert_to_numpy(placement.place(samples, (8, 8, 1), axes)),
        ops.convert_to_numpy(Pad().place(samples, (8, 8, 1), axes)),
        atol=1e-6,
    )
