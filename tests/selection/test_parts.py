import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram.inputs.averaged_views import AveragedViews
from keras_reprogram.selection.parts import parts_of
from keras_reprogram.sources import JoinedSource


def source(name, activation=None, dense=True):
    inputs = keras.Input((4, 4, 3))
    hidden = keras.layers.Flatten()(inputs)
    if dense:
        hidden = keras.layers.Dense(5, activation)(hidden)
    return keras.Model(inputs, hidden, name=name)


SHAPE = (2, 2, 1)


def test_a_classifier_is_read_before_its_last_layer():
    (part,) = parts_of(source("one"), SHAPE, (8, 16))
    assert part.source.output_shape == (None, 48)
    assert (part.name, part.canvas, part.block_sizes) == ("one", None, (48,))


def test_a_model_without_a_last_layer_is_read_at_its_output():
    model = source("one", dense=False)
    (part,) = parts_of(model, SHAPE, (8,))
    assert part.source is model


def test_probabilities_are_read_by_their_logarithms():
    model = source("one", dense=False)
    outputs = keras.layers.Softmax()(model.output)
    (part,) = parts_of(keras.Model(model.input, outputs), SHAPE, (8,))
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 3))
    found = keras.ops.convert_to_numpy(part.source(images))
    np.testing.assert_allclose(np.exp(found).sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("as_dictionary", [False, True])
def test_several_sources_are_parts_in_their_order(as_dictionary):
    given = [source("one"), source("two")]
    if as_dictionary:
        given = {"first": given[0], "second": given[1]}
    found = parts_of(given, SHAPE, ())
    names = ["first", "second"] if as_dictionary else ["one", "two"]
    assert [part.name for part in found] == names
    assert [part.origin for part in found] == [0, 1]


def test_sources_of_one_name_are_numbered():
    found = parts_of([source("one"), source("one")], SHAPE, ())
    assert [part.name for part in found] == ["one 1", "one 2"]


def test_an_input_transformation_of_ones_own_is_copied():
    given = InputReprogrammer(SHAPE, (4, 4, 3), placement="pad", pattern=None)
    model = source("one")
    (part,) = parts_of((model, given), SHAPE, ())
    assert part.source is model
    copy = part.new_transformation()
    assert copy is not given
    assert copy.get_config()["placement"] == given.get_config()["placement"]


def test_views_are_parts_of_their_own():
    found = parts_of(source("one"), SHAPE, (), ["identity", "horizontal"])
    assert [part.name for part in found] == ["one", "one, views"]
    model = found[1].new_model(2)
    assert isinstance(model.input_reprogrammer, AveragedViews)


def test_a_classifier_of_any_size_is_read_at_several():
    keras_hub = pytest.importorskip("keras_hub")
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    found = parts_of(backbone, SHAPE, (16, 24))
    assert [part.canvas for part in found] == [16, 24]
    assert [part.name for part in found] == [
        f"{backbone.name} at 16",
        f"{backbone.name} at 24",
    ]
    assert all(len(part.block_sizes) > 1 for part in found)


def test_joined_sources_are_passed_one_by_one():
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(inputs))
    models = [keras.Model(inputs, outputs) for _ in range(2)]
    with pytest.raises(ValueError, match="as a list or a dictionary"):
        parts_of(JoinedSource(models), SHAPE, ())


@pytest.mark.parametrize("sources", [[], None, ["one"], {"one": 3}])
def test_what_is_no_source_is_a_value_error(sources):
    with pytest.raises(ValueError, match="source"):
        parts_of(sources, SHAPE, ())


def test_names_of_sources_may_be_numbers():
    parts = parts_of({1: source("one"), 2: source("two")}, SHAPE, (8,))
    assert [part.name for part in parts] == ["1", "2"]


def test_a_model_without_known_shapes_is_a_value_error():
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(5)])
    with pytest.raises(ValueError, match="known shapes"):
        parts_of(model, SHAPE, (8,))


def test_a_trained_transformation_is_not_reset_in_silence():
    transformation = InputReprogrammer(SHAPE, (4, 4, 3))
    transformation.build((None, *SHAPE))
    with pytest.raises(ValueError, match="trained"):
        parts_of((source("one"), transformation), SHAPE, (8,))


def test_a_pattern_that_would_be_trained_is_a_value_error():
    given = InputReprogrammer(SHAPE, (4, 4, 3))
    (part,) = parts_of((source("one"), given), SHAPE, ())
    with pytest.raises(ValueError, match="pattern=None"):
        part.new_model(2)
