import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_reprogram.sources import features
from keras_reprogram.sources import inspect_source


def hub_classifier():
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        image_shape=(16, 16, 3),
    )
    converter = keras_hub.layers.ResNetImageConverter(
        (16, 16), scale=1 / 127.5, offset=-1.0
    )
    preprocessor = keras_hub.models.ResNetImageClassifierPreprocessor(converter)
    return keras_hub.models.ResNetImageClassifier(
        backbone, 5, preprocessor=preprocessor
    )


def plain_classifier():
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8, "relu")(inputs)
    logits = keras.layers.Dense(5)(keras.layers.Dropout(0.5)(hidden))
    return keras.Model(inputs, keras.layers.Softmax()(logits))


@pytest.mark.parametrize("make", [hub_classifier, plain_classifier])
def test_the_last_layer_on_features_gives_the_classifiers_logits(make):
    classifier = make()
    shape = tuple(
        16 if size is None else size for size in classifier.input.shape[1:]
    )
    x = np.random.default_rng(0).random((3, *shape), "float32")
    source = features(classifier)
    (last,) = [
        layer
        for layer in classifier.layers
        if isinstance(layer, keras.layers.Dense) and layer.units == 5
    ]
    logits = last(source(x, training=False))
    outputs = classifier(x, training=False)
    if make is plain_classifier:
        logits = ops.softmax(logits)
    np.testing.assert_allclose(
        ops.convert_to_numpy(logits), ops.convert_to_numpy(outputs), rtol=1e-5
    )


def test_the_scaling_of_a_classifier_is_passed_on():
    classifier = hub_classifier()
    expected, specification = map(
        inspect_source, (classifier, features(classifier))
    )
    assert specification.pixel_scale == expected.pixel_scale
    assert specification.pixel_offset == expected.pixel_offset
    assert specification.preferred_shape == expected.preferred_shape


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.Sequential([keras.Input((4,)), keras.layers.ReLU()]),
        lambda: keras.Sequential([keras.layers.Dense(3)]),
    ],
)
def test_a_model_without_a_last_dense_layer_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        features(make())
