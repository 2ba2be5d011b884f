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


def vgg_classifier(pooling):
    backbone = keras_hub.models.VGGBackbone([1], [4], image_shape=(16, 16, 3))
    return keras_hub.models.VGGImageClassifier(
        backbone,
        num_classes=5,
        preprocessor=None,
        pooling=pooling,
        pooling_hidden_dim=8,
    )


def head_within_a_head():
    head = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(6, "relu"),
            keras.layers.Dense(5),
        ]
    )
    body = [keras.Input((4,)), keras.layers.Dense(8, "relu")]
    return keras.Sequential([*body, keras.Sequential([head])])


def with_a_tail(tail):
    inputs = keras.Input((4,), name="x")
    hidden = keras.layers.Dense(8, "relu")(inputs)
    return keras.Model({"x": inputs}, tail(keras.layers.Dense(5)(hidden)))


TAILS = {
    "dictionary": lambda logits: {"logits": logits},
    "cast": lambda logits: ops.cast(logits, "float64"),
    "temperature": lambda logits: logits / 2.0,
    "shape": lambda logits: keras.layers.Flatten()(
        keras.layers.Reshape((5, 1))(logits)
    ),
    "activation": lambda logits: keras.layers.Activation("linear")(logits),
}


def dense_layers(model):
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Dense)
    ]


@pytest.mark.parametrize(
    "make",
    [
        lambda: vgg_classifier("avg"),
        lambda: vgg_classifier("flatten"),
        head_within_a_head,
        *[lambda tail=tail: with_a_tail(tail) for tail in TAILS.values()],
    ],
)
def test_the_last_dense_layer_is_found_behind_and_within(make):
    classifier = make()
    shape = classifier.inputs[0].shape[1:]
    x = np.random.default_rng(0).random((3, *shape), "float32")
    source = features(classifier)
    last = max(dense_layers(classifier), key=lambda layer: layer.units == 5)
    expected = keras.tree.flatten(classifier(x, training=False))[0]
    found = last(source(x, training=False))
    ratio = ops.convert_to_numpy(expected) / ops.convert_to_numpy(found)
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)
    assert len(source.weights) == len(classifier.weights) - 2


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
        lambda: hub_classifier().backbone,
        lambda: "resnet",
    ],
)
def test_a_model_without_a_last_dense_layer_is_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        features(make())


def test_a_backbone_and_a_model_of_two_ends_are_named():
    with pytest.raises(ValueError, match="stage_features.*Received: "):
        features(hub_classifier().backbone)
    inputs = keras.Input((4,))
    outputs = {"a": keras.layers.Dense(3)(inputs), "b": inputs}
    with pytest.raises(ValueError, match="one output.*with 2 outputs"):
        features(keras.Model(inputs, outputs))
    other = keras.Input((4,))
    outputs = keras.layers.Dense(3)(ops.add(inputs, other))
    with pytest.raises(ValueError, match="one input.*with 2 inputs"):
        features(keras.Model([inputs, other], outputs))
