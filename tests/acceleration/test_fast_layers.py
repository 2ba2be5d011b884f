import threading

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_reprogram import keras_internals
from keras_reprogram.acceleration import fast_layers
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
# Inputs, kernel, strides, dilation, padding and the operation that is used.
KERNELS = (
    ((2, 2), 3, 1, 1, "same", "convolution"),
    ((1, 1), 3, 1, 1, "same", "convolution"),
    ((4, 4), 3, 2, 1, "same", "convolution"),
    ((6, 6), 3, 2, 1, "valid", "convolution"),
    ((3, 9), 7, 1, 1, "same", "convolution"),
    ((2, 2), (5, 1), 1, 1, "same", "convolution"),
    ((3, 3), 5, 1, 2, "same", "convolution"),
    ((9, 9), 3, 1, 1, "same", None),
    ((9, 9), 9, 2, 1, "same", None),  # of 81 places
    ((9, 9), 9, 9, 1, "valid", "patch_convolution"),
    ((4, 9), (2, 3), (2, 3), 1, "same", "patch_convolution"),
    ((5, 5), 2, 2, 1, "valid", None),
)


@pytest.fixture
def on_cpu(monkeypatch):
    """Uses the fast layers on all backends."""
    monkeypatch.setattr(fast_layers, "jax_uses_only_cpus", lambda: True)


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


def outputs_and_step(model):
    """The outputs of a model, and the changes of one step of training."""
    # Compiling takes longer than the layers do, but on JAX.
    model.compile(
        keras.optimizers.SGD(1.0), "mse", run_eagerly=BACKEND != "jax"
    )
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=one.shape) for one in model.weights]
    model.set_weights(weights)
    batch = generator.normal(size=(2, *model.input_shape[1:]))
    found = model.predict_on_batch(batch)
    model.train_on_batch(batch, keras.tree.map_structure(np.sign, found))
    return found, [new - old for new, old in zip(model.get_weights(), weights)]


def assert_fast_layers_compute_the_same(inputs, outputs):
    function = keras.Model(inputs, outputs)
    model = keras.Model(inputs, function(Offset()(inputs)))
    wanted = outputs_and_step(model)
    before = attributes_of(model)
    fast = fast_layers.fast_copy(model)
    assert_same(outputs_and_step(fast), wanted)
    after = attributes_of(model)
    for name, layers_before in before.items():
        if name != model.name:  # which was compiled
            assert after[name] == layers_before
    return replaced_layers(function)


def attributes_of(model):
    """All attributes of all layers, and the items of their lists."""
    return {
        layer.name: {
            name: [id(value), *map(id, value)]
            if isinstance(value, (list, dict))
            else id(value)
            for name, value in vars(layer).items()
        }
        for layer in keras_internals.flatten_layers(model)
    }


def replaced_layers(model):
    return [
        type(layer).__name__
        for layer in fast_layers.with_fast_layers(model).layers
        if "call" in vars(layer) or "convolution_op" in vars(layer)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_sums_of_products_are_the_convolution(kind, on_cpu):
    filters = {"filters": 4} if "Separable" in kind.__name__ else {}
    inputs = keras.Input((9, 8, 5)[-2 if "1D" in kind.__name__ else -3 :])
    outputs = [
        kind(padding=padding, **filters, **options)(inputs)
        for options in OPTIONS
        for padding in ("same", "valid")
    ]
    replaced = assert_fast_layers_compute_the_same(inputs, outputs)
    assert len(replaced) == len(outputs)


def test_kernels_larger_than_their_outputs_and_patches(on_cpu, monkeypatch):
    ways = set()
    compute = fast_layers.compute_channels_last
    monkeypatch.setattr(
        fast_layers,
        "compute_channels_last",
        lambda layer, operation, *args: (
            ways.add((layer.name, operation.__name__))
            or compute(layer, operation, *args)
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
    assert_fast_layers_compute_the_same(inputs, outputs)
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
def test_maxima_are_those_of_the_layer_and_the_first_one_learns(kind, on_cpu):
    inputs = keras.Input((9, 8, 5)[-2 if "1D" in kind.__name__ else -3 :])
    # Two values: nearly all maxima are of several inputs.
    signs = layers.Lambda(lambda x: ops.stop_gradient(ops.sign(x) - x) + x)
    outputs = [
        kind(padding=padding, **options)(signs(inputs))
        for options in POOLS
        for padding in ("same", "valid")
    ]
    replaced = assert_fast_layers_compute_the_same(inputs, outputs)
    assert len(replaced) == len(outputs)


def test_a_series_shorter_than_its_kernel(on_cpu):
    inputs = keras.Input((4, 5))
    outputs = layers.Conv1D(3, 5, 2, "same")(inputs)
    assert_fast_layers_compute_the_same(inputs, outputs)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="no such convolution there")
def test_channels_first(on_cpu):
    inputs = keras.Input((5, 9, 8))
    outputs = layers.DepthwiseConv2D(
        3, padding="same", depth_multiplier=2, data_format="channels_first"
    )(inputs)
    assert_fast_layers_compute_the_same(inputs, outputs)


def network():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, 2, "same")(inputs)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.SeparableConv2D(4, 3, 2, "same")(x)
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(4, 3, padding="same", groups=2)(x)
    outputs = layers.Dense(3)(layers.Flatten()(x))
    return keras.Model(inputs, outputs)


def test_a_frozen_source_computes_the_same_and_is_not_changed(on_cpu):
    source = network()
    images = np.random.default_rng(0).random((4, 8, 8, 3), "float32")
    before = ops.convert_to_numpy(source(images))
    frozen = FrozenSource(source)
    attributes = attributes_of(source)
    assert_same(ops.convert_to_numpy(frozen(images)), before)
    assert attributes_of(source) == attributes


def test_a_source_is_not_changed_while_another_thread_predicts(on_cpu):
    source = network()
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, FrozenSource(source)(inputs))
    images = np.ones((4, 8, 8, 3), "float32")
    model.predict(images, verbose=0)
    before = attributes_of(source)
    seen = []
    predicting = threading.Thread(
        target=lambda: [model(images) for _ in range(5)]
    )
    predicting.start()
    while predicting.is_alive():
        seen.append(attributes_of(source) == before)
    predicting.join()
    assert seen and all(seen)


def test_layers_are_replaced_on_jax_with_cpus_only():
    replaced = ["Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2D"]
    on_jax = BACKEND == "jax" and all(
        device.startswith("cpu") for device in keras.distribution.list_devices()
    )
    source = network()
    assert replaced_layers(source) == (replaced if on_jax else [])
    assert on_jax or fast_layers.with_fast_layers(source) is source


class Block(layers.Layer):
    """A layer of layers, as in KerasHub's EfficientNet."""

    def __init__(self):
        super().__init__()
        self.stack = [layers.DepthwiseConv2D(3), layers.ReLU()]
        self.dense = layers.Dense(2)

    def build(self, shape):
        for layer in (*self.stack, self.dense):
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, inputs):
        for layer in self.stack:
            inputs = layer(inputs)
        return self.dense(inputs)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = layers.DepthwiseConv2D(3)

    def call(self, inputs):
        self.calls = getattr(self, "calls", 0) + 1
        return self.inner(inputs)


def test_layers_within_layers_and_models_are_replaced(on_cpu):
    samples = keras.Input((8, 8, 3))
    blocks = keras.Sequential([keras.Input((8, 8, 3)), Block(), Block()])
    nested = keras.Model(samples, blocks(samples))
    subclassed = Subclassed()
    source = keras.Model(samples, subclassed(nested(samples)))
    images = np.random.default_rng(0).random((2, 8, 8, 3), "float32")
    wanted = ops.convert_to_numpy(source(images))
    before, calls = attributes_of(source), subclassed.calls
    fast = fast_layers.with_fast_layers(source)
    assert_same(ops.convert_to_numpy(fast(images)), wanted)
    assert subclassed.calls == calls + 1
    for layer in (*blocks.layers, *blocks.layers[0].stack, nested):
        assert attributes_of(source)[layer.name] == before[layer.name]
    copies = [
        layer
        for layer in keras_internals.flatten_layers(fast)
        if "call" in vars(layer)
    ]
    assert [type(layer).__name__ for layer in copies] == ["DepthwiseConv2D"] * 2


def test_a_layer_with_other_code_is_not_replaced(on_cpu):
    class Doubled(layers.DepthwiseConv2D):
        def call(self, inputs):
            return 2 * super().call(inputs)

    class Normed(layers.Conv2D):
        def convolution_op(self, inputs, kernel):
            return super().convolution_op(inputs, kernel / 2)

    inputs = keras.Input((8, 8, 3))
    large = layers.DepthwiseConv2D(15, padding="same")
    set_by_hand = layers.DepthwiseConv2D(1)
    outputs = set_by_hand(large(Normed(3, 3)(Doubled(3)(inputs))))
    set_by_hand.call = lambda inputs: inputs
    source = keras.Model(inputs, outputs)
    assert fast_layers.with_fast_layers(source) is source


def test_sums_are_in_float32(on_cpu):
    inputs = keras.Input((9, 9, 4))
    layer = layers.DepthwiseConv2D(5, padding="same", dtype="bfloat16")
    model = keras.Model(inputs, layer(inputs))
    images = np.random.default_rng(0).random((2, 9, 9, 4), "float32")
    wanted = ops.convert_to_numpy(ops.cast(model(images), "float32"))
    found = fast_layers.with_fast_layers(model)(images)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    found = ops.convert_to_numpy(ops.cast(found, "float32"))
    np.testing.assert_allclose(found, wanted, rtol=0.01, atol=0.01)
