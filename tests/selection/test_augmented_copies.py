import keras
import numpy as np
import pytest

from keras_reprogram.black_box import QueriedSource
from keras_reprogram.inputs import RandomShift
from keras_reprogram.selection.augmented_copies import augmented_copies
from keras_reprogram.selection.augmented_copies import can_be_augmented
from keras_reprogram.selection.augmented_copies import number_of_copies
from keras_reprogram.selection.augmented_copies import seed_states
from keras_reprogram.selection.parts import parts_of

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 6, 6, 1)).astype("uint8")


def test_few_samples_have_many_copies_and_many_have_none():
    counts = [number_of_copies(size) for size in (1, 50, 200, 201, 800, 801)]
    assert counts == [8, 8, 8, 7, 2, 1]


def test_samples_come_first_and_their_copies_in_order(tmp_path):
    flip = keras.layers.RandomFlip("horizontal")
    found = augmented_copies(tmp_path / "a.npy", IMAGES, flip, 3, 4)
    assert found.shape == (21, 6, 6, 1)
    np.testing.assert_array_equal(found[:7], IMAGES)
    mirrored = IMAGES[:, :, ::-1]
    for copy in (found[7:14], found[14:]):
        for row, sample, other in zip(copy, IMAGES, mirrored):
            assert (row == sample).all() or (row == other).all()
    assert (found[7:] != np.tile(IMAGES, (2, 1, 1, 1))).any()


def test_the_same_seed_leads_to_the_same_copies(tmp_path):
    layer = keras.Sequential(
        [RandomShift(0.3), keras.layers.RandomFlip("horizontal")]
    )
    paths = [tmp_path / f"{index}.npy" for index in range(3)]
    first = augmented_copies(paths[0], IMAGES, layer, 2, seed=1)
    layer(IMAGES, training=True)
    np.testing.assert_array_equal(
        augmented_copies(paths[1], IMAGES, layer, 2, seed=1), first
    )
    assert (augmented_copies(paths[2], IMAGES, layer, 2, seed=2) != first).any()


def test_the_seed_generators_of_the_layer_stay_as_they_are(tmp_path):
    layer = keras.Sequential([RandomShift(0.3), keras.layers.RandomFlip()])
    layer(IMAGES, training=True)
    states = [
        keras.ops.convert_to_numpy(state.value) for state in seed_states(layer)
    ]
    assert len(states) == 2
    augmented_copies(tmp_path / "a.npy", IMAGES, layer, 3)
    for state, expected in zip(seed_states(layer), states):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(state.value), expected
        )


def test_a_layer_for_samples_of_another_range_is_named(tmp_path, recwarn):
    samples = (IMAGES / 255).astype("float32")
    fitting = keras.layers.RandomBrightness(0.2, value_range=(0, 1))
    augmented_copies(tmp_path / "a.npy", samples, fitting, 2)
    assert not [each for each in recwarn if each.category is UserWarning]
    for_pixels = keras.layers.RandomBrightness(0.2, name="for_pixels")
    with pytest.warns(UserWarning, match="`value_range` of for_pixels"):
        augmented_copies(tmp_path / "b.npy", samples, for_pixels, 4)


def test_copies_of_integers_are_integers_where_the_layer_keeps_them(tmp_path):
    tokens = np.arange(12).reshape(3, 4)
    found = augmented_copies(
        tmp_path / "a.npy", tokens, RandomShift(0.3, "channels_last"), 2
    )
    assert found.dtype.kind == "i"


def test_a_layer_that_changes_shapes_is_a_value_error(tmp_path):
    with pytest.raises(ValueError, match="keep the shape"):
        augmented_copies(
            tmp_path / "a.npy", IMAGES, keras.layers.RandomCrop(4, 4), 2
        )


def test_sources_that_are_queried_are_not_asked_for_copies():
    def parts(source):
        return parts_of(source, (6, 6, 1), ())

    inputs = keras.Input((6, 6, 3))
    source = keras.Model(inputs, keras.layers.Flatten()(inputs))
    assert can_be_augmented(IMAGES, parts(source))
    assert not can_be_augmented(np.zeros((801, 6, 6, 1)), parts(source))
    queried = QueriedSource(
        lambda rows: rows.reshape(len(rows), -1)[:, :2],
        (6, 6, 3),
        2,
        from_logits=True,
    )
    assert not can_be_augmented(IMAGES, parts(queried))


def test_no_variable_of_the_layer_changes(tmp_path):
    layer = keras.layers.BatchNormalization(momentum=0.5)
    layer.build(IMAGES.shape)
    augmented_copies(tmp_path / "a.npy", IMAGES.astype("float32"), layer, 2)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(layer.moving_mean), [0.0]
    )


def test_copies_in_mixed_precision_are_of_32_bits(tmp_path):
    flip = keras.layers.RandomFlip(dtype="mixed_bfloat16")
    images = IMAGES.astype("float32")
    found = augmented_copies(tmp_path / "a.npy", images, flip, 2, seed=2**31)
    assert found.dtype == "float32"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (keras.layers.RandomFlip(dtype="uint8"), "floats"),
        (keras.layers.Rescaling(np.inf), "finite"),
        (keras.layers.Rescaling(np.nan), "finite"),
    ],
)
def test_copies_that_are_no_samples_are_a_value_error(layer, message, tmp_path):
    images = IMAGES.astype("float32") + 1
    with pytest.raises(ValueError, match=message):
        augmented_copies(tmp_path / "a.npy", images, layer, 2)
