import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import RandomShift


def shifted(layer, samples):
    return ops.convert_to_numpy(layer(samples, training=True))


def test_samples_stay_as_they_are_outside_training():
    samples = np.random.default_rng(0).random((3, 4, 5, 1), "float32")
    layer = RandomShift(1.0, seed=0)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(samples)), samples)


def test_every_sample_moves_by_a_shift_of_its_own_and_repeats_its_edge():
    ramp = np.tile(np.arange(20, dtype="uint8")[:, None], (64, 1, 1))
    moved = shifted(RandomShift(0.25, seed=0), ramp)
    assert moved.dtype == "uint8"
    steps = set()
    for sample in moved[..., 0].astype(int):
        candidates = [
            step
            for step in range(-5, 6)
            if (np.clip(np.arange(20) + step, 0, 19) == sample).all()
        ]
        assert len(candidates) == 1
        steps.update(candidates)
    assert steps == set(range(-5, 6))


@pytest.mark.parametrize("shape", [(6,), (6, 6, 2), (4, 5, 6, 1)])
def test_no_shift_leaves_samples_of_any_rank(shape):
    samples = np.random.default_rng(0).random((3, *shape), "float32")
    np.testing.assert_array_equal(shifted(RandomShift(0.0), samples), samples)


def test_channels_are_not_shifted():
    samples = np.broadcast_to(np.arange(3.0)[:, None, None], (4, 3, 6, 6))
    layer = RandomShift(1.0, data_format="channels_first")
    np.testing.assert_array_equal(shifted(layer, samples), samples)


def test_training_sees_shifted_samples_and_prediction_does_not():
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(5)(keras.layers.Flatten()(inputs))
    model = ReprogrammedModel(
        keras.Model(inputs, outputs),
        InputReprogrammer(
            (None, None, 3),
            pattern=None,
            value_range=(0, 1),
            augmentation=keras.Sequential(
                [RandomShift(0.5, seed=0), keras.layers.RandomFlip(seed=0)]
            ),
        ),
        LabelMapper(2, "random"),
    )
    samples = np.random.default_rng(0).random((6, 8, 8, 3), "float32")
    plain = ops.convert_to_numpy(model(samples))
    np.testing.assert_array_equal(plain, ops.convert_to_numpy(model(samples)))
    training = ops.convert_to_numpy(model(samples, training=True))
    assert np.abs(training - plain).max() > 0.01
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(samples, np.arange(6) % 2, verbose=0)


def test_files_of_an_augmented_model(tmp_path):
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(5)(keras.layers.Flatten()(inputs))
    source = keras.Model(inputs, outputs)
    augmentation = keras.Sequential(
        [RandomShift(0.2, seed=3), keras.layers.RandomFlip()]
    )
    model = ReprogrammedModel(
        source,
        InputReprogrammer(augmentation=augmentation),
        LabelMapper(2, "random"),
    )
    samples = np.random.default_rng(0).random((6, 8, 8, 3), "float32")
    outputs = ops.convert_to_numpy(model(samples))

    model.save(tmp_path / "x.keras")
    copy = keras.models.load_model(tmp_path / "x.keras")
    copied = copy.input_reprogrammer.augmentation.layers[0]
    assert copied.get_config()["seed"] == 3
    np.testing.assert_array_equal(ops.convert_to_numpy(copy(samples)), outputs)

    # A program file holds what prediction needs.
    model.save_program(tmp_path / "x.program")
    copy = ReprogrammedModel.load_program(tmp_path / "x.program", source)
    assert copy.input_reprogrammer.augmentation is None
    np.testing.assert_array_equal(ops.convert_to_numpy(copy(samples)), outputs)


@pytest.mark.parametrize("fraction", [-0.1, 1.5, "much"])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction.*Received"):
        RandomShift(fraction)


def test_an_augmentation_that_is_no_layer_is_refused():
    with pytest.raises(ValueError, match="augmentation.*Received"):
        InputReprogrammer(augmentation=lambda samples: samples)
