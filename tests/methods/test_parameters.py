"""Programs have as many numbers as the papers say, on canvases of 224x224."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import methods
from keras_reprogram import sources


@pytest.fixture(scope="module")
def source() -> keras.Model:
    inputs = keras.Input((224, 224, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def parameters(layer: keras.layers.Layer) -> int:
    return sum(int(np.prod(w.shape)) for w in layer.trainable_weights)


@pytest.mark.parametrize(
    "method, target, arguments, expected",
    [
        ("adversarial_reprogramming", 28, {}, (224**2 - 28**2) * 3),
        ("visual_prompting", 224, {}, 69_840),
        ("visual_prompting", 224, {"prompt": "patch"}, 2_700),
        ("visual_prompting", 224, {"prompt": "random_patch"}, 2_700),
        ("acavp", 224, {}, 7 + 2 * 224**2 * 3),
        ("evp", 224, {}, (224**2 - 164**2) * 3),
        ("ilm_vp", 224, {}, 101_376),
        ("ilm_vp", 32, {"inner_size": 32}, 147_456),
        ("ilm_vp", 200, {"inner_size": 200}, 30_528),
        ("blm_vp", 224, {}, 101_376),
        ("auto_vp", 224, {}, 224**2 * 3 + 1),
        ("smm", 224, {}, 177_027),
        (
            "smm",
            224,
            {"filters": (8, 16, 32, 64, 128)},
            102_339 + 224**2 * 3,
        ),
        ("watermark", 224, {}, 224**2 * 3),
        ("lor_vp", 224, {}, 3 * 4 * 448),
        ("trainable_layers", 224, {}, 84),
    ],
)
def test_parameters_are_those_of_the_papers(
    source, method, target, arguments, expected
):
    model = getattr(methods, method)(
        source, 3, target_shape=(target, target, 3), **arguments
    )
    assert parameters(model.input_reprogrammer) == expected


def test_the_border_of_attr_vr_has_the_papers_parameters(source):
    model = methods.attr_vr(source, [[[0, 1], [1, 2]]], (224, 224, 3), top_k=1)
    assert parameters(model.input_reprogrammer) == 39_936


def test_black_vip_has_the_papers_parameters_and_clips(source):
    inputs = keras.Input((224, 224, 3))
    x = keras.layers.GlobalMaxPooling2D()(inputs)
    encoder = keras.Model(inputs, keras.layers.Dense(768)(x))
    encoder.trainable = False
    model = methods.black_vip(source, 3, (224, 224, 3), encoder=encoder)
    layer = model.input_reprogrammer
    images = np.random.default_rng(0).random((1, 224, 224, 3), "float32")
    canvas = ops.convert_to_numpy(layer(images * 255))
    assert parameters(layer) == 9_920
    assert canvas.shape == (1, 224, 224, 3)
    assert canvas.min() >= 0 and canvas.max() <= 255


def test_an_unknown_prompt_is_a_value_error(source):
    with pytest.raises(ValueError, match="Received: "):
        methods.visual_prompting(source, 3, prompt="circle")


@pytest.mark.parametrize(
    "method, num_classes, target_shape",
    [
        ("voice2series", 0, (8,)),
        ("voice2series", "3", (8,)),
        ("voice2series", None, (8,)),
        ("overlaid_table", 3, 8),
    ],
)
def test_what_is_no_number_or_shape_is_a_value_error(
    source, method, num_classes, target_shape
):
    with pytest.raises(ValueError, match="must be a.*Received: "):
        getattr(methods, method)(source, num_classes, target_shape)


@pytest.mark.parametrize("channels", [16, 20])
def test_the_matrix_of_an_automaton_has_the_papers_parameters(channels):
    automaton = sources.cellular_automaton((8, 8, channels))
    model = methods.neural_cellular_automata(automaton)
    count = channels * (channels + 1) // 2
    assert parameters(model.input_reprogrammer) == count
