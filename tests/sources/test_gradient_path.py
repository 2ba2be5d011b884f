"""A source through which no gradient passes is refused or fed as it is."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.black_box import TwoSided
from keras_reprogram.sources import FrozenSource
from keras_reprogram.sources.gradient_path import what_blocks_gradient

layers = keras.layers


def network(dtype=None, before=lambda x: x, shape=(4,)):
    inputs = keras.Input(shape, dtype=dtype)
    x = layers.Flatten()(ops.cast(before(inputs), "float32"))
    return keras.Model(inputs, layers.Dense(5)(x))


def nested(source):
    inputs = keras.Input(source.input_shape[1:], dtype=source.inputs[0].dtype)
    return keras.Model(inputs, source(inputs))


def beside(inputs):
    """One way through integers and one past them."""
    whole = ops.cast(ops.cast(inputs, "int32"), "float32")
    return ops.concatenate([whole, inputs], axis=-1)


SOURCES = {
    "uint8": (lambda: network("uint8"), "uint8"),
    "nested": (lambda: nested(network("uint8")), "uint8"),
    "embedding": (lambda: network(None, layers.Embedding(9, 3)), "Embedding"),
    "cast": (lambda: network(None, lambda x: ops.cast(x, "int32")), "int32"),
    "round": (lambda: network(None, ops.round), "Round"),
    "plain": (lambda: network(), None),
    "rescaled": (lambda: nested(network(None, layers.Rescaling(2.0))), None),
    "beside": (lambda: network(None, beside), None),
}


def model(source, pattern="everywhere"):
    end = InputReprogrammer((4,), value_range=None, pattern=pattern)
    return ReprogrammedModel(source, end, LabelMapper(2, "identity"))


LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.mark.parametrize("name", SOURCES)
def test_what_blocks_the_gradient_is_found(name):
    build, expected = SOURCES[name]
    found = what_blocks_gradient(build())
    assert (found is None) if expected is None else expected in found
    reprogrammed = model(build())
    if expected is None:
        reprogrammed.compile("sgd", LOSS)
        return
    with pytest.raises(ValueError, match="No gradient.*Received"):
        reprogrammed.compile("sgd", LOSS, gradient_estimator=None)
    # Queries need none, nor does a label map alone.
    reprogrammed.compile("sgd", LOSS, gradient_estimator=TwoSided(1))
    model(build(), pattern=None).compile("sgd", LOSS)


@pytest.mark.parametrize(
    "dtype, low, high", [("uint8", 0, 255), ("int8", -128, 127)]
)
def test_integers_are_rounded_to_their_range_and_never_wrapped(
    dtype, low, high
):
    inputs = keras.Input((5,), dtype=dtype)
    source = FrozenSource(keras.Model(inputs, ops.cast(inputs, "float32")))
    values = ops.convert_to_tensor([[-300.0, -25.4, 0.6, 254.7, 300.0]])
    found = ops.convert_to_numpy(source(values))
    expected = np.clip([[-300, -25, 1, 255, 300]], low, high)
    np.testing.assert_array_equal(found, expected)


class Hidden(layers.Layer):
    def call(self, inputs):
        return ops.cast(ops.cast(inputs, "int32"), "float32")


@pytest.mark.parametrize("hidden", [True, False])
def test_a_program_that_has_not_moved_is_named(hidden):
    source = network(None, Hidden() if hidden else layers.Identity())
    reprogrammed = model(source)
    reprogrammed.compile(keras.optimizers.SGD(0.1), LOSS)
    x, y = 9 * np.random.default_rng(0).random((8, 4)), np.arange(8) % 2
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            reprogrammed.fit(x, y, 2, epochs=2, verbose=0)
        except ValueError as error:  # TensorFlow and PyTorch have none at all
            assert hidden and "radient" in str(error)
            return
    found = [w for w in seen if "No gradient reaches" in str(w.message)]
    assert len(found) == hidden


@pytest.mark.parametrize("outputs", [lambda x: {"logits": x}, lambda x: [x]])
def test_a_container_of_one_output_is_that_output(outputs):
    inputs = keras.Input((4,), name="samples")
    dense = layers.Dense(5)
    source = keras.Model({"samples": inputs}, outputs(dense(inputs)))
    reprogrammed = model(source)
    x = np.random.default_rng(0).random((3, 4)).astype("float32")
    found = ops.convert_to_numpy(reprogrammed(x))
    np.testing.assert_allclose(
        found, ops.convert_to_numpy(dense(x))[:, :2], rtol=1e-5
    )
