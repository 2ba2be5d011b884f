"""Outputs of every activation are read as what they say, in full precision."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.outputs import RegressionHead
from keras_reprogram.outputs import reading
from keras_reprogram.outputs.reading import Reading

LOGITS = np.array([[-9.0, -1.0, 0.5, 8.0]], "float32")
SIGMOID = 1 / (1 + np.exp(-LOGITS))
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum()


def as_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def test_several_sigmoids_are_read_as_their_logits():
    found = Reading("sigmoid", 4).classes(ops.convert_to_tensor(SIGMOID))
    np.testing.assert_allclose(as_numpy(found), LOGITS, rtol=1e-3)
    found = Reading("sigmoid", 4).logits(SIGMOID, np)
    np.testing.assert_allclose(found, LOGITS, rtol=1e-3)


def test_one_sigmoid_is_two_classes():
    p = np.array([[0.2], [0.9]], "float32")
    one = Reading("sigmoid", 1)
    found = as_numpy(one.classes(ops.convert_to_tensor(p)))
    np.testing.assert_allclose(found, np.hstack([1 - p, p]))
    logits = one.logits(p, np)
    np.testing.assert_allclose(logits, np.log(np.hstack([1 - p, p])), rtol=1e-6)
    features = one.features(p, np)
    np.testing.assert_allclose(features, np.log(p / (1 - p)), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("activation", reading.ACTIVATIONS)
def test_outputs_of_zero_and_one_are_finite_in_every_precision(
    activation, dtype
):
    certain = ops.cast([[0.0, 1.0, 0.0]], dtype)
    ours = Reading(activation, 3)
    for read in (ours.classes, ours.logits, ours.features):
        found = read(certain)
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        assert np.isfinite(as_numpy(found)).all()


def test_a_tensor_and_an_array_are_read_alike():
    for activation, values in [("softmax", SOFTMAX), ("sigmoid", SIGMOID)]:
        tensor = ops.convert_to_tensor(values)
        ours = Reading(activation, values.shape[-1])
        for read in (ours.classes, ours.logits, ours.features):
            np.testing.assert_allclose(
                as_numpy(read(tensor)), read(values, np), rtol=1e-5, atol=1e-6
            )


def network(units, last):
    inputs = keras.Input((1,))
    outputs = keras.layers.Dense(units, kernel_initializer="ones")(inputs)
    return keras.Model(inputs, last(outputs))


def model(source, head):
    end = InputReprogrammer((1,), value_range=None, pattern=None)
    return ReprogrammedModel(source, end, head)


def test_one_sigmoid_is_worth_as_much_as_its_logit():
    z = np.random.default_rng(0).normal(4, 2, (200, 1)).astype("float32")
    labels = (z[:, 0] > 4).astype(int)
    source = network(1, keras.layers.Activation("sigmoid"))
    mapped = model(source, LabelMapper(2))
    mapped.adapt(z, labels, verbose=0)
    assert (mapped.predict(z, verbose=0).argmax(1) == labels).mean() > 0.98
    head = model(source, RegressionHead(1))
    head.adapt(z, z, verbose=0)
    np.testing.assert_allclose(head.predict(z, verbose=0), z, atol=0.05)


@pytest.mark.parametrize("mapping", ["identity", "frequency", "bayesian"])
def test_every_map_has_two_classes_of_one_sigmoid(mapping):
    z = np.array([[-3.0], [2.0], [5.0], [-1.0]], "float32")
    labels = (z[:, 0] > 0).astype(int)
    source = network(1, keras.layers.Activation("sigmoid"))
    mapped = model(source, LabelMapper(2, mapping))
    mapped.adapt(z, labels, verbose=0)
    assert not mapped.label_mapper.returns_logits
    found = mapped.predict(z, verbose=0)
    np.testing.assert_array_equal(found.argmax(1), labels)
    if mapping == "identity":
        p = 1 / (1 + np.exp(-z))
        np.testing.assert_allclose(found, np.hstack([1 - p, p]), atol=1e-6)


def test_a_default_map_of_one_sigmoid_has_two_classes():
    source = network(1, keras.layers.Activation("sigmoid"))
    assert model(source, None).label_mapper.num_classes == 2


def test_one_binary_target_of_one_sigmoid_is_that_sigmoid():
    z = np.array([[-3.0], [2.0]], "float32")
    source = network(1, keras.layers.Activation("sigmoid"))
    mapped = model(source, LabelMapper(1, "identity", multi_label=True))
    assert mapped.label_mapper.returns_logits
    np.testing.assert_allclose(mapped.predict(z, verbose=0), z, rtol=1e-4)


def test_one_linear_output_is_a_number_that_label_maps_refuse():
    with pytest.raises(ValueError, match="RegressionHead.*Received"):
        model(network(1, lambda x: x), LabelMapper(2))
    mapped = model(
        network(1, lambda x: x), LabelMapper(2, "identity", from_logits=False)
    )
    assert mapped.label_mapper.reading.activation == "sigmoid"


def test_contradicting_settings_are_a_value_error():
    for arguments in (
        {"source_activation": "sigmoid", "from_logits": True},
        {"source_activation": "tanh"},
    ):
        with pytest.raises(ValueError, match="source_activation"):
            LabelMapper(3, **arguments)


@pytest.mark.parametrize("policy", ["mixed_float16", "float16", "bfloat16"])
def test_a_certain_softmax_is_finite_in_low_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        inputs = keras.Input((4,))
        dense = keras.layers.Dense(4, activation="softmax")
        source = keras.Model(inputs, dense(inputs))
        dense.set_weights([np.eye(4) * 30, np.zeros(4)])
        x = np.eye(4, dtype="float32")
        labels = np.array([0, 1, 2, 0])
        losses = []
        for mapping in ("linear", "identity"):
            mapped = ReprogrammedModel(
                source,
                InputReprogrammer((4,), value_range=None, pattern=None),
                LabelMapper(3, mapping),
            )
            mapped.compile(
                "sgd",
                keras.losses.SparseCategoricalCrossentropy(
                    from_logits=mapping == "linear"
                ),
                metrics=None,
            )
            mapped.adapt(x, labels, verbose=0)
            assert np.isfinite(mapped.predict(x, verbose=0)).all()
            losses.append(mapped.evaluate(x, labels, verbose=0))
    finally:
        keras.config.set_dtype_policy("float32")
    # Of four samples one has a class that no target has: ln 3 for it.
    np.testing.assert_allclose(losses[1], np.log(3) / 4, rtol=1e-2)
    assert np.isfinite(losses).all()
