"""Several sources are one whose output is all of their features."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.acceleration.fast_layers import with_fast_layers
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.sources import FrozenSource
from keras_reprogram.sources import JoinedSource
from keras_reprogram.sources import compare_fingerprints
from keras_reprogram.sources import fingerprint
from keras_reprogram.sources import inspect_source


def dense(classes=3, activation=None, width=4, dtype=None, name=None):
    inputs = keras.Input((width,), dtype=dtype)
    x = keras.layers.Rescaling(1.0)(inputs)
    outputs = keras.layers.Dense(classes, activation)(x)
    return keras.Model(inputs, outputs, name=name)


def as_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_the_output_is_logits_and_the_logits_of_probabilities():
    parts = [dense(), dense(2, "softmax"), dense(1, "sigmoid"), dense(2)]
    source = JoinedSource(parts)
    inputs = [random(5, 4) + index for index in range(4)]
    plain, softmax, sigmoid, last = (
        as_numpy(part(values)) for part, values in zip(parts, inputs)
    )
    wanted = [plain, np.log(softmax), np.log(sigmoid / (1 - sigmoid)), last]
    np.testing.assert_allclose(
        as_numpy(source(inputs)), np.hstack(wanted), rtol=1e-4, atol=1e-5
    )
    assert source.output_shape == (None, 8)


def test_the_specification_has_one_of_each_part():
    parts = [dense(), dense(2, "softmax", 5)]
    found = inspect_source(JoinedSource(parts))
    assert found.parts == tuple(map(inspect_source, parts))
    assert (found.num_classes, found.activation) == (5, "linear")
    assert found.from_logits
    assert inspect_source(parts[0]).parts == ()


def test_a_part_of_low_precision_is_read_in_float32():
    with_policy = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, dtype="bfloat16")]
    )
    source = JoinedSource([with_policy, dense()])
    assert source.outputs[0].dtype == "float32"
    found = source([random(2, 4), random(2, 4)])
    assert keras.backend.standardize_dtype(found.dtype) == "float32"


@pytest.mark.parametrize(
    "sources, message",
    [
        (lambda: [dense()], "two or more"),
        (lambda: dense(), "two or more"),
        (lambda: [dense(), "model"], "must be a `keras.Model`"),
        (lambda: [JoinedSource([dense(), dense()]), dense()], "in one list"),
        (
            lambda: [
                dense(),
                keras.Sequential([keras.Input((4, 4)), keras.layers.Dense(2)]),
            ],
            "pool over positions",
        ),
    ],
)
@pytest.mark.numpy_alone
def test_what_cannot_be_joined_is_a_value_error(sources, message):
    with pytest.raises(ValueError, match=message):
        JoinedSource(sources())


def test_parts_of_one_name_and_one_part_twice_are_joined():
    source = dense(name="same")
    joined = JoinedSource([source, dense(name="same"), source])
    assert joined.count_params() == 2 * source.count_params()
    values = [random(2, 4), random(2, 4), 2 * random(2, 4)]
    found = as_numpy(joined(values))
    np.testing.assert_allclose(found[:, :3], as_numpy(source(values[0])))
    np.testing.assert_allclose(
        found[:, 6:], as_numpy(source(values[2])), rtol=1e-5
    )


def test_all_parts_are_frozen_and_integers_are_rounded():
    parts = [dense(dtype="uint8"), dense()]
    frozen = FrozenSource(JoinedSource(parts))
    assert not frozen.trainable_variables
    assert not any(part.trainable_variables for part in parts)
    values = np.array([[-3.0, 0.6, 254.7, 300.0]], "float32")
    given = [ops.convert_to_tensor(values)] * 2
    found = as_numpy(frozen(given))
    rounded = np.array([[0, 1, 255, 255]], "uint8")
    np.testing.assert_allclose(found[:, :3], as_numpy(parts[0](rounded)))
    np.testing.assert_allclose(found[:, 3:], as_numpy(parts[1](values)))


def layer_named(name):
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, name=name)]
    )


def test_layers_are_trained_by_names_that_one_layer_has():
    first, second = layer_named("head"), layer_named("other")
    joined = JoinedSource([first, second, first])
    frozen = FrozenSource(joined, ["head"])
    assert len(frozen.trainable_variables) == 2
    assert all(variable.trainable for variable in first.weights)
    assert not any(variable.trainable for variable in second.weights)


@pytest.mark.numpy_alone
def test_layers_that_are_ambiguous_are_a_value_error():
    parts = [layer_named("head"), layer_named("head")]
    with pytest.raises(ValueError, match="several parts.*'head'"):
        FrozenSource(JoinedSource(parts), ["head"])
    with pytest.raises(ValueError, match="names of layers.*Received: 1"):
        FrozenSource(JoinedSource(parts), 1)


def test_fast_layers_of_jax_reach_into_the_parts():
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.DepthwiseConv2D(3, padding="same")(inputs)
    outputs = keras.layers.GlobalAveragePooling2D()(x)
    part = keras.Model(inputs, outputs)
    joined = JoinedSource([part, part])
    fast = with_fast_layers(joined)
    assert (fast is not joined) == (keras.config.backend() == "jax")
    values = [random(2, 6, 6, 2), random(2, 6, 6, 2)]
    np.testing.assert_allclose(
        as_numpy(fast([ops.convert_to_tensor(each) for each in values])),
        as_numpy(joined(values)),
        rtol=1e-5,
        atol=1e-6,
    )


def test_a_list_of_sources_is_a_joined_source_with_an_input_for_each():
    model = ReprogrammedModel(
        [dense(), dense(2, width=6)],
        [
            InputReprogrammer((3,), placement="pad", value_range=None),
            InputReprogrammer((3,), placement="pad", value_range=None),
        ],
        LabelMapper(2, "random"),
    )
    assert isinstance(model.source, JoinedSource)
    assert model.predict_source(random(4, 3)).shape == (4, 5)
    shapes = [variable.shape for variable in model.program_variables]
    assert {(4,), (6,)} <= set(map(tuple, shapes))


@pytest.mark.numpy_alone
def test_a_list_of_one_source_is_that_source():
    source = dense()
    model = ReprogrammedModel([source], [InputReprogrammer((3,))])
    assert model.source is source


@pytest.mark.numpy_alone
def test_numbers_of_sources_and_of_inputs_that_differ_are_a_value_error():
    sources = [dense(), dense()]
    with pytest.raises(ValueError, match="Received: 1 for 2 sources"):
        ReprogrammedModel(sources, InputReprogrammer((3,)))
    with pytest.raises(ValueError, match="Received: 2 for 1 sources"):
        ReprogrammedModel(
            sources[0], [InputReprogrammer((3,)), InputReprogrammer((3,))]
        )
    with pytest.raises(ValueError, match="must be an `InputTransformation`"):
        ReprogrammedModel(sources[0], LabelMapper(2))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_blocks_are_those_of_the_parts(dtype):
    inputs = keras.Input((4,), dtype=dtype)
    hidden = keras.layers.Dense(3, dtype=dtype)(inputs)
    both = keras.layers.Concatenate(dtype=dtype)([inputs, hidden])
    source = JoinedSource([keras.Model(inputs, both), dense(2, "softmax")])
    assert inspect_source(source).block_sizes == (4, 3, 2)


@pytest.mark.numpy_alone
def test_each_part_has_a_fingerprint_and_the_whole_has_none():
    parts = [dense(), dense(2)]
    joined = JoinedSource(parts)
    with pytest.raises(ValueError, match="`source.sources`.*of 2 parts"):
        fingerprint(joined)
    with pytest.raises(ValueError, match="`source.sources`.*of 2 parts"):
        compare_fingerprints(joined, fingerprint(parts[0]))


@pytest.mark.numpy_alone
def test_a_frozen_joined_source_is_copied_frozen():
    source = JoinedSource([dense(), dense(2)], trainable=False)
    copy = JoinedSource.from_config(source.get_config())
    assert not source.trainable_weights
    assert not copy.trainable_weights
