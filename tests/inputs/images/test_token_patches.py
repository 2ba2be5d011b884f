import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import TokenPatches
from keras_reprogram.sources import inspect_source


def rendered(tokens, canvas, **kwargs):
    layer = InputReprogrammer(
        (tokens.shape[1],),
        canvas,
        placement=TokenPatches(4, patch_size=2),
        pattern=None,
        value_range=(0, 1),
        **kwargs,
    )
    images = ops.convert_to_numpy(layer(tokens))
    theta = ops.convert_to_numpy(layer.placement.theta.value)
    return images, (1 + np.tanh(theta)) / 2


def test_patches_stand_in_rows_and_padding_fills_the_rest():
    tokens = np.array([[1, 2, 3, 1, 2]])
    images, patches = rendered(tokens, (4, 6, 3))
    expected = np.concatenate(
        [
            np.concatenate(patches[[1, 2, 3]], axis=1),
            np.concatenate(patches[[1, 2, 0]], axis=1),
        ]
    )
    np.testing.assert_allclose(images[0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "value_range, high", [(None, 255), ((0, 255), 255), ((0, 1), 1)]
)
def test_patches_are_scaled_as_pixels_are(value_range, high):
    inputs = keras.Input((2, 2, 3))
    source = keras.Model(inputs, keras.layers.Flatten()(inputs))
    plain = inspect_source(source)
    hub = dataclasses.replace(plain, pixel_scale=2 / 255, pixel_offset=-1.0)
    theta = np.random.default_rng(0).normal(size=(4, 2, 2, 3))
    patches = (1 + np.tanh(theta)) / 2
    for specification, expected in [
        (plain, high * patches),
        (hub, 2 * patches - 1),
    ]:
        layer = InputReprogrammer(
            (1,),
            placement=TokenPatches(4, patch_size=2),
            pattern=None,
            value_range=value_range,
        )
        layer.resolve(specification, source)
        layer.build((None, 1))
        layer.placement.theta.assign(theta)
        images = ops.convert_to_numpy(layer(np.arange(4)[:, None]))
        np.testing.assert_allclose(images, expected, rtol=1e-4, atol=1e-5)


def test_what_is_left_of_the_canvas_is_empty():
    images, patches = rendered(np.array([[3]]), (3, 3, 1))
    np.testing.assert_allclose(images[0, 1:, 1:], patches[3], rtol=1e-5)
    assert not images[0, 0].any() and not images[0, :, 0].any()


def test_channels_may_come_first():
    tokens = np.array([[1, 2, 3]])
    last, patches = rendered(tokens, (4, 4, 3))
    first, other = rendered(tokens, (3, 4, 4), data_format="channels_first")
    np.testing.assert_allclose(
        first[0][:, :2, :2], other[1].transpose(2, 0, 1), rtol=1e-5
    )
    np.testing.assert_allclose(last[0][:2, :2], patches[1], rtol=1e-5)


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_sequences_are_told_apart_by_an_image_classifier(dtype, tmp_path):
    inputs = keras.Input((8, 8, 3), dtype=dtype)
    x = keras.layers.Rescaling(1 / 128, -1, dtype=dtype)(inputs)
    x = keras.layers.Conv2D(8, 2, strides=2, activation="relu", dtype=dtype)(x)
    x = keras.layers.GlobalAveragePooling2D(dtype=dtype)(x)
    source = keras.Model(inputs, keras.layers.Dense(6, dtype=dtype)(x))
    generator = np.random.default_rng(0)
    labels = np.arange(40) % 2
    # More of the token 1 or of the token 2; lengths differ.
    tokens = 1 + (generator.random((40, 14)) < 0.2 + 0.6 * labels[:, None])
    tokens[:, 10:][generator.random(40) < 0.5] = 0
    model = ReprogrammedModel(
        source,
        InputReprogrammer((14,), placement=TokenPatches(3, 2), pattern=None),
        LabelMapper(2),
    )
    model.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(tokens, labels, batch_size=8, epochs=12, verbose=0)
    predictions = model.predict(tokens, verbose=0)
    assert (predictions.argmax(axis=1) == labels).mean() >= 0.9
    assert model.trainable_weights[0].dtype == "float32"
    model.save_program(tmp_path / "tokens.program")
    copy = ReprogrammedModel.load_program(tmp_path / "tokens.program", source)
    np.testing.assert_array_equal(copy.predict(tokens, verbose=0), predictions)
    model.save(tmp_path / "tokens.keras")
    copy = keras.models.load_model(tmp_path / "tokens.keras")
    np.testing.assert_array_equal(copy.predict(tokens, verbose=0), predictions)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TokenPatches(0),
        lambda: TokenPatches(4, patch_size=0),
        lambda: TokenPatches(4, padding_token=4),
        lambda: rendered(np.array([[1] * 10]), (4, 6, 3)),
        lambda: rendered(np.array([[1]]), (16,)),
        lambda: rendered(np.array([[1]]), (4, 4, 3), normalize_first=True),
    ],
)
def test_what_cannot_be_rendered_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


@pytest.mark.parametrize("tokens", [np.array([[4]]), np.array([[0.5]])])
def test_samples_that_are_no_tokens_are_value_errors(tokens):
    inputs = keras.Input((4, 4, 3))
    source = keras.Model(inputs, keras.layers.GlobalMaxPooling2D()(inputs))
    model = ReprogrammedModel(
        source,
        InputReprogrammer((1,), placement=TokenPatches(4, 2), pattern=None),
        LabelMapper(2, "identity"),
    )
    with pytest.raises(ValueError, match="Received: "):
        model.predict(tokens, verbose=0)
