import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import methods
from keras_reprogram.sources import FrozenSource


def parameters(layer):
    return sum(int(np.prod(w.shape)) for w in layer.trainable_weights)


def features(shape):
    """A frozen encoder of 768 features, as a vision transformer's."""
    outputs = keras.layers.Dense(768)(keras.layers.GlobalMaxPooling2D()(shape))
    encoder = keras.Model(shape, outputs)
    encoder.trainable = False
    return encoder


@pytest.mark.parametrize(
    "method, target, arguments, expected",
    [
        ("adversarial_reprogramming", 28, {}, (224**2 - 28**2) * 3),
        ("visual_prompting", 224, {}, 69_840),
        ("visual_prompting", 224, {"shape": "patch"}, 2_700),
        ("visual_prompting", 224, {"shape": "random_patch"}, 2_700),
        ("enhanced_visual_prompting", 224, {}, (224**2 - 164**2) * 3),
        ("ilm_vp", 224, {}, 101_376),
        ("ilm_vp", 32, {"inner_size": 32}, 147_456),
        ("ilm_vp", 200, {"inner_size": 200}, 30_528),
        ("auto_vp", 224, {}, 224**2 * 3 + 1),
        ("sample_specific_masks", 224, {}, 177_027),
        (
            "sample_specific_masks",
            224,
            {"filters": (8, 16, 32, 64, 128)},
            102_339 + 224**2 * 3,
        ),
        ("watermark", 224, {}, 224**2 * 3),
        ("low_rank", 224, {}, 3 * 4 * 448),
        ("trainable_layers", 224, {}, 84),
    ],
)
def test_parameters_are_those_of_the_papers(
    method, target, arguments, expected
):
    layer = getattr(methods, method)(
        target_shape=(target, target, 3),
        source_shape=(224, 224, 3),
        **arguments,
    )
    layer.build((None, target, target, 3))
    assert parameters(layer) == expected


def test_black_vip_has_the_papers_parameters():
    encoder = features(keras.Input((224, 224, 3)))
    layer = methods.black_vip(encoder, source_shape=(224, 224, 3))
    images = np.random.default_rng(0).random((1, 224, 224, 3), "float32")
    outputs = ops.convert_to_numpy(layer(images * 255))
    assert parameters(layer) == 9_920
    assert outputs.shape == (1, 224, 224, 3)
    assert outputs.min() >= 0 and outputs.max() <= 255


def test_black_vip_takes_a_frozen_source_for_an_encoder():
    encoder = FrozenSource(features(keras.Input((16, 16, 3))))
    layer = methods.black_vip(encoder, source_shape=(16, 16, 3))
    assert layer(np.ones((1, 8, 8, 3))).shape == (1, 16, 16, 3)


def test_an_unknown_prompt_shape_is_a_value_error():
    with pytest.raises(ValueError, match="Received: "):
        methods.visual_prompting(shape="circle")


def test_a_trainable_encoder_is_a_value_error():
    encoder = features(keras.Input((16, 16, 3)))
    encoder.trainable = True
    for layer in encoder.layers:
        layer.trainable = True
    with pytest.raises(ValueError, match="frozen"):
        methods.black_vip(encoder)


def test_a_coordinator_by_itself_needs_an_encoder():
    with pytest.raises(ValueError, match="encoder"):
        methods.black_vip(source_shape=(16, 16, 3))(np.ones((1, 8, 8, 3)))
