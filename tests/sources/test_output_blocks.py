import keras
from keras import ops

from keras_reprogram.sources import inspect_source
from keras_reprogram.sources.output_blocks import block_sizes


def joined_layers() -> keras.Model:
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3)(inputs)
    both = keras.layers.Concatenate()([inputs, hidden])
    return keras.Model(inputs, ops.concatenate([both, hidden], axis=1))


def test_blocks_of_nested_concatenations_are_in_the_outputs_order():
    assert block_sizes(joined_layers()) == (4, 3, 3)


def test_blocks_are_found_within_a_nested_model():
    inputs = keras.Input((4,))
    assert block_sizes(keras.Model(inputs, joined_layers()(inputs))) == (
        4,
        3,
        3,
    )


def test_concatenation_along_another_axis_is_one_block():
    inputs = keras.Input((4, 2))
    both = ops.concatenate([inputs, inputs], axis=1)
    assert block_sizes(keras.Model(inputs, both)) == (2,)


def test_any_other_output_is_one_block():
    inputs = keras.Input((4,))
    source = keras.Model(inputs, keras.layers.Dense(5)(inputs))
    assert inspect_source(source).block_sizes == (5,)
