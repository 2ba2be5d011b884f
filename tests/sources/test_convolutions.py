import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_reprogram.sources import FrozenSource
from keras_reprogram.sources import convolutions

BACKEND = keras.config.backend()
WAYS = {
    layers.DepthwiseConv1D: convolutions.call_depthwise,
    layers.DepthwiseConv2D: convolutions.call_depthwise,
    layers.SeparableConv1D: convolutions.call_separable,
    layers.SeparableConv2D: convolutions.call_separable,
}


def weights_set(layer, inputs):
    layer.build(inputs.shape)
    generator = np.random.default_rng(0)
    layer.set_weights(
        [generator.normal(size=weight.shape) for weight in layer.weights]
    )
    return layer


def assert_same(found, wanted):
    np.testing.assert_allclose(
        ops.convert_to_numpy(found),
        ops.convert_to_numpy(wanted),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3},
        {"kernel_size": 4, "activation": "tanh"},
        {"kernel_size": 3, "strides": 2, "use_bias": False},
        {"kernel_size": 2, "strides": 3},
        {"kernel_size": 3, "dilation_rate": 2},
        {"kernel_size": 3, "depth_multiplier": 3},
    ],
)
@pytest.mark.parametrize("kind", WAYS)
def test_sums_of_products_are_the_convolution(kind, options, padding):
    if kind in (layers.SeparableConv1D, layers.SeparableConv2D):
        options = {"filters": 4, **options}
    rank = 1 if "1D" in kind.__name__ else 2
    shape = (2, 9, 8, 5)[: rank + 1] + (5,)
    inputs = np.random.default_rng(1).normal(size=shape).astype("float32")
    layer = weights_set(kind(padding=padding, **options), inputs)
    assert_same(WAYS[kind](layer, inputs), layer(inputs))


@pytest.mark.parametrize(
    "size, kernel, strides, dilation, padding",
    [
        ((2, 2), 3, 1, 1, "same"),
        ((1, 1), 3, 1, 1, "same"),
        ((4, 4), 3, 2, 1, "same"),
        ((6, 6), 3, 2, 1, "valid"),
        ((3, 9), 7, 1, 1, "same"),
        ((2, 2), (5, 1), 1, 1, "same"),
        ((3, 3), 5, 1, 2, "same"),
        ((9, 9), 3, 1, 1, "same"),
        ((16, 16), 16, 16, 1, "valid"),
        ((1,), 3, 1, 1, "same"),
        ((4,), 5, 2, 1, "same"),
    ],
)
def test_a_kernel_larger_than_its_outputs(
    size, kernel, strides, dilation, padding
):
    inputs = np.random.default_rng(1).normal(size=(2, *size, 5))
    inputs = inputs.astype("float32")
    kind = layers.Conv1D if len(size) == 1 else layers.Conv2D
    layer = kind(4, kernel, strides, padding, dilation_rate=dilation)
    layer = weights_set(layer, inputs)
    found = convolutions.convolve(layer, inputs, layer.kernel)
    assert_same(ops.add(found, layer.bias), layer(inputs))


@pytest.mark.skipif(BACKEND == "tensorflow", reason="no such convolution there")
def test_channels_first():
    inputs = np.random.default_rng(1).normal(size=(2, 5, 9, 8))
    inputs = inputs.astype("float32")
    layer = layers.DepthwiseConv2D(
        3, padding="same", depth_multiplier=2, data_format="channels_first"
    )
    layer = weights_set(layer, inputs)
    assert_same(convolutions.call_depthwise(layer, inputs), layer(inputs))


def network():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, 2, "same")(inputs)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.SeparableConv2D(4, 3, 2, "same")(x)
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(4, 3, padding="same", groups=2)(x)
    outputs = layers.Dense(3)(layers.Flatten()(x))
    return keras.Model(inputs, outputs)


def test_a_frozen_source_is_the_same_function():
    source = network()
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3))
    before = source.predict(images, verbose=0)
    frozen = FrozenSource(source)
    assert_same(frozen(ops.cast(images, "float32")), before)
    source.predict_function = None
    assert_same(source.predict(images, verbose=0), before)
    copy = keras.Model.from_config(source.get_config())
    copy.set_weights(source.get_weights())
    assert_same(copy.predict(images, verbose=0), before)


def rewritten_layers(source):
    return [
        type(layer).__name__
        for layer in source.layers
        if "call" in vars(layer) or "convolution_op" in vars(layer)
    ]


def test_layers_are_rewritten_on_jax_without_an_accelerator_alone():
    source = network()
    convolutions.rewrite_slow_convolutions(source)
    slow = ["Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2D"]
    on_jax = BACKEND == "jax" and all(
        device.startswith("cpu") for device in keras.distribution.list_devices()
    )
    assert rewritten_layers(source) == (slow if on_jax else [])


def test_a_layer_that_computes_more_is_left_alone(monkeypatch):
    class Doubled(layers.DepthwiseConv2D):
        def call(self, inputs):
            return 2 * super().call(inputs)

    monkeypatch.setattr(convolutions, "jax_has_processors_alone", lambda: True)
    inputs = keras.Input((8, 8, 3))
    source = keras.Model(inputs, Doubled(3)(inputs))
    convolutions.rewrite_slow_convolutions(source)
    assert rewritten_layers(source) == []
