import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_reprogram.acceleration import slow_layers
from keras_reprogram.sources import FrozenSource

BACKEND = keras.config.backend()
KINDS = (
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
)
OPTIONS = (
    {"kernel_size": 3},
    {"kernel_size": 4, "activation": "tanh"},
    {"kernel_size": 3, "strides": 2, "use_bias": False},
    {"kernel_size": 2, "strides": 3},
    {"kernel_size": 3, "dilation_rate": 2},
    {"kernel_size": 3, "depth_multiplier": 3},
)
# Inputs, kernel, strides, dilation and padding of a convolution, and the way.
KERNELS = (
    ((2, 2), 3, 1, 1, "same", "full"),
    ((1, 1), 3, 1, 1, "same", "full"),
    ((4, 4), 3, 2, 1, "same", "full"),
    ((6, 6), 3, 2, 1, "valid", "full"),
    ((3, 9), 7, 1, 1, "same", "full"),
    ((2, 2), (5, 1), 1, 1, "same", "full"),
    ((3, 3), 5, 1, 2, "same", "full"),
    ((9, 9), 3, 1, 1, "same", None),
    ((9, 9), 9, 2, 1, "same", None),  # of 81 places
    ((9, 9), 9, 9, 1, "valid", "tiles"),
    ((4, 9), (2, 3), (2, 3), 1, "same", "tiles"),
    ((5, 5), 2, 2, 1, "valid", None),
)


@pytest.fixture
def rewritten(monkeypatch):
    """Rewrites the layers of a model on every backend."""
    monkeypatch.setattr(slow_layers, "jax_has_processors_alone", lambda: True)
    return slow_layers.rewrite_slow_layers


def assert_same(found, wanted):
    for one, other in zip(
        keras.tree.flatten(found), keras.tree.flatten(wanted)
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


class Offset(layers.Layer):
    """Whose gradient is the one at the inputs of what follows."""

    def build(self, shape):
        self.offset = self.add_weight(shape=shape[1:], initializer="zeros")

    def call(self, inputs):
        return inputs + self.offset


def outputs_and_step(inputs, outputs):
    """What a model says, and what one step of training changes in it."""
    model = keras.Model(inputs, outputs)
    # Compiling takes longer than the layers do, but on JAX.
    model.compile(
        keras.optimizers.SGD(1.0), "mse", run_eagerly=BACKEND != "jax"
    )
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=one.shape) for one in model.weights]
    model.set_weights(weights)
    batch = generator.normal(size=(2, *inputs.shape[1:]))
    found = model.predict_on_batch(batch)
    model.train_on_batch(batch, keras.tree.map_structure(np.sign, found))
    return found, [new - old for new, old in zip(model.get_weights(), weights)]


def assert_rewriting_changes_nothing(inputs, outputs, rewritten):
    function = keras.Model(inputs, outputs)
    offset = Offset()
    wanted = outputs_and_step(inputs, function(offset(inputs)))
    rewritten(function)
    assert_same(outputs_and_step(inputs, function(offset(inputs))), wanted)
    return function


@pytest.mark.parametrize("kind", KINDS)
def test_sums_of_products_are_the_convolution(kind, rewritten):
    filters = {"filters": 4} if "Separable" in kind.__name__ else {}
    inputs = keras.Input((9, 8, 5)[-2 if "1D" in kind.__name__ else -3 :])
    outputs = [
        kind(padding=padding, **filters, **options)(inputs)
        for options in OPTIONS
        for padding in ("same", "valid")
    ]
    model = assert_rewriting_changes_nothing(inputs, outputs, rewritten)
    assert len(rewritten_layers(model)) == len(outputs)


def test_kernels_larger_than_their_outputs_and_tiles(rewritten, monkeypatch):
    ways = set()
    channels_last = slow_layers.channels_last
    monkeypatch.setattr(
        slow_layers,
        "channels_last",
        lambda layer, compute, *args: (
            ways.add((layer.name, compute.__name__))
            or channels_last(layer, compute, *args)
        ),
    )
    inputs = keras.Input((9, 9, 5))
    outputs = []
    for (height, width), kernel, strides, dilation, padding, _ in KERNELS:
        cropped = layers.Cropping2D(((0, 9 - height), (0, 9 - width)))(inputs)
        convolution = layers.Conv2D(
            4, kernel, strides, padding, dilation_rate=dilation
        )
        outputs.append(convolution(cropped))
    assert_rewriting_changes_nothing(inputs, outputs, rewritten)
    found = [way for _, way in sorted(ways)]
    wanted = [way for *_, way in KERNELS if way]
    assert sorted(found) == sorted(wanted)


POOLS = (
    {"pool_size": 3, "strides": 2},
    {"pool_size": 2},
    {"pool_size": 2, "strides": 3},
    {"pool_size": 3, "strides": 1},
)


@pytest.mark.parametrize("kind", (layers.MaxPooling1D, layers.MaxPooling2D))
def test_maxima_are_those_of_the_layer_and_the_first_one_learns(
    kind, rewritten
):
    inputs = keras.Input((9, 8, 5)[-2 if "1D" in kind.__name__ else -3 :])
    # Two values: nearly all maxima are of several inputs.
    signs = layers.Lambda(lambda x: ops.stop_gradient(ops.sign(x) - x) + x)
    outputs = [
        kind(padding=padding, **options)(signs(inputs))
        for options in POOLS
        for padding in ("same", "valid")
    ]
    model = assert_rewriting_changes_nothing(inputs, outputs, rewritten)
    assert len(rewritten_layers(model)) == len(outputs)


def test_a_series_shorter_than_its_kernel(rewritten):
    inputs = keras.Input((4, 5))
    outputs = layers.Conv1D(3, 5, 2, "same")(inputs)
    assert_rewriting_changes_nothing(inputs, outputs, rewritten)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="no such convolution there")
def test_channels_first(rewritten):
    inputs = keras.Input((5, 9, 8))
    outputs = layers.DepthwiseConv2D(
        3, padding="same", depth_multiplier=2, data_format="channels_first"
    )(inputs)
    assert_rewriting_changes_nothing(inputs, outputs, rewritten)


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
    images = np.random.default_rng(0).random((4, 8, 8, 3), "float32")
    before = source.predict(images, verbose=0)
    frozen = FrozenSource(source)
    assert_same(ops.convert_to_numpy(frozen(images)), before)
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
    slow_layers.rewrite_slow_layers(source)
    slow = ["Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2D"]
    on_jax = BACKEND == "jax" and all(
        device.startswith("cpu") for device in keras.distribution.list_devices()
    )
    assert rewritten_layers(source) == (slow if on_jax else [])


def test_a_layer_that_computes_more_is_left_alone(rewritten):
    class Doubled(layers.DepthwiseConv2D):
        def call(self, inputs):
            return 2 * super().call(inputs)

    class Normed(layers.Conv2D):
        def convolution_op(self, inputs, kernel):
            return super().convolution_op(inputs, kernel / 2)

    inputs = keras.Input((8, 8, 3))
    many_places = layers.DepthwiseConv2D(15, padding="same")
    source = keras.Model(inputs, many_places(Normed(3, 3)(Doubled(3)(inputs))))
    rewritten(source)
    assert rewritten_layers(source) == []


def test_sums_are_in_float32(rewritten):
    inputs = keras.Input((9, 9, 4))
    layer = layers.DepthwiseConv2D(5, padding="same", dtype="bfloat16")
    model = keras.Model(inputs, layer(inputs))
    images = np.random.default_rng(0).random((2, 9, 9, 4), "float32")
    wanted = ops.convert_to_numpy(ops.cast(model(images), "float32"))
    rewritten(model)
    found = model(images)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    found = ops.convert_to_numpy(ops.cast(found, "float32"))
    np.testing.assert_allclose(found, wanted, rtol=0.01, atol=0.01)
