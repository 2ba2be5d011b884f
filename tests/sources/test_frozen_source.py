import keras
import numpy as np
import pytest
from keras import ops

import keras_reprogram
from keras_reprogram import keras_internals
from keras_reprogram.sources import FrozenSource
from keras_reprogram.sources import compare_fingerprints
from keras_reprogram.sources import fingerprint
from keras_reprogram.sources import inspect_source


def trained_around(source):
    """A model that trains a layer before the frozen source."""
    inputs = keras.Input((8, 8, 3))
    frozen = FrozenSource(source)
    outputs = frozen(keras.layers.Conv2D(3, 1)(inputs))
    return keras.Model(inputs, outputs), frozen


def test_nothing_in_the_source_is_trained(source):
    model, frozen = trained_around(source)
    before = source.get_weights()
    for attempt in range(3):
        if attempt == 1:
            model.trainable = True
        if attempt == 2:
            frozen.trainable = True
        assert len(model.trainable_weights) == 2
        model.compile("sgd", "mse")
        model.fit(np.ones((8, 8, 8, 3)), np.ones((8, 6)), verbose=0)
    for old, new in zip(before, source.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_a_source_thawed_around_a_model_of_samples_stays_frozen(source):
    model = keras_reprogram.ReprogrammedModel(source)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True))
    before = source.get_weights()
    x, y = np.ones((8, 8, 8, 3), "float32"), np.arange(8) % 6
    num_trained = len(model.trainable_variables)
    model.fit(x, y, verbose=0)
    source.trainable = True
    assert len(model.trainable_variables) == num_trained
    assert len(model.trainable_weights) == num_trained
    assert source.trainable_variables  # reading changes nothing
    model.train_on_batch(x, y)
    assert not source.trainable_variables
    source.layers[2].trainable = True
    model.fit(x, y, verbose=0)
    for old, new in zip(before, source.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_a_source_thawed_behind_a_keras_models_back_is_not_trained(source):
    model, _ = trained_around(source)
    model.compile(keras.optimizers.AdamW(0.1, weight_decay=0.1), "mse")
    before = source.get_weights()
    x, y = np.ones((8, 8, 8, 3), "float32"), np.ones((8, 6), "float32")
    source.trainable = True
    model.fit(x, y, verbose=0)
    assert len(model.trainable_variables) == 2
    source.trainable = True
    model.train_on_batch(x, y)
    source.layers[2].trainable = True
    model.fit(x, y, verbose=0)
    for old, new in zip(before, source.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_nothing_of_the_source_but_trainable_is_changed(source):
    source.preprocessor = keras.layers.Rescaling(1 / 255)  # never called
    layers = keras_internals.flatten_layers(source)
    before = [dict(vars(layer)) for layer in layers]
    model, frozen = trained_around(source)
    model.compile("sgd", "mse")
    model.predict(np.ones((2, 8, 8, 3)), verbose=0)
    frozen.trainable = True
    for layer, attributes in zip(layers, before):
        after = dict(vars(layer))
        for name in ("_trainable", "_called"):
            after.pop(name), attributes.pop(name)
        assert after == attributes
    assert not source.preprocessor.built


def test_trainable_of_the_layer_counts_for_the_unfrozen_layers(source):
    name = source.layers[-1].name
    model, frozen = trained_around(source)
    frozen = FrozenSource(source, [name])
    num_trained = len(frozen.trainable_variables)
    assert num_trained and frozen.trainable
    frozen.trainable = False
    assert frozen.trainable_variables == [] == source.trainable_variables
    frozen.trainable = True
    assert len(frozen.trainable_variables) == num_trained
    assert len(frozen.weights) == len(source.weights)


def test_penalties_of_the_source_do_not_enter_the_loss():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(
        3,
        kernel_regularizer="l2",
        activity_regularizer=keras.regularizers.L2(100.0),
    )(inputs)
    source = keras.Model(inputs, keras.layers.ActivityRegularization(l1=9)(x))
    outer = keras.Input((4,))
    model = keras.Model(
        outer, FrozenSource(source)(keras.layers.Dense(4)(outer))
    )
    model.compile("sgd", "mse")
    samples = np.ones((2, 4), "float32")
    loss = model.evaluate(samples, np.zeros((2, 3)), verbose=0)
    np.testing.assert_allclose(
        loss, (model.predict(samples, verbose=0) ** 2).mean(), rtol=1e-5
    )


def test_a_layer_beside_the_source_does_not_have_it_called_eagerly(source):
    calls = []

    class Counted(keras.layers.Layer):
        def call(self, inputs):
            calls.append(inputs)
            return inputs

    inputs = keras.Input((8, 8, 3))
    network = keras.Model(inputs, source(Counted()(inputs)))
    network.preprocessor = keras.layers.Rescaling(1 / 255)  # never called
    outer = keras.Input((8, 8, 3))
    model = keras.Model(outer, FrozenSource(network)(outer))
    batch = np.ones((2, 8, 8, 3), "float32")
    model.predict_on_batch(batch)
    calls.clear()
    model.predict_on_batch(batch)
    assert len(calls) == (keras.config.backend() == "torch")


def test_dropout_is_off_while_the_outer_model_trains(source):
    model, _ = trained_around(source)
    inputs = np.random.default_rng(0).random((2, 8, 8, 3), "float32")
    first, second = (
        ops.convert_to_numpy(model(inputs, training=True)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_inspection_reads_shapes_and_output(source):
    specification = inspect_source(source)
    assert specification.accepted_shape == (8, 8, 3)
    assert specification.num_classes == 6
    assert specification.from_logits
    assert specification.pixel_scale is None


@pytest.mark.parametrize(
    "head",
    [
        lambda x: keras.layers.Dense(6, activation="softmax")(x),
        lambda x: keras.layers.Softmax()(keras.layers.Dense(6)(x)),
        lambda x: keras.layers.Activation("softmax")(keras.layers.Dense(6)(x)),
        lambda x: keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(6, activation="softmax")]
        )(x),
        lambda x: ops.softmax(keras.layers.Dense(6)(x)),
        lambda x: keras.activations.softmax(keras.layers.Dense(6)(x)),
        lambda x: keras.layers.Activation("linear", dtype="float32")(
            keras.layers.Softmax()(keras.layers.Dense(6)(x))
        ),
        lambda x: keras.layers.Dropout(0.1)(
            keras.layers.Dense(6, activation="sigmoid")(x)
        ),
    ],
)
def test_a_final_softmax_means_probabilities(head):
    inputs = keras.Input((4,))
    assert not inspect_source(keras.Model(inputs, head(inputs))).from_logits


def test_a_keras_hub_classifier_knows_its_size_and_scaling():
    keras_hub = pytest.importorskip("keras_hub")
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
    )
    classifier = keras_hub.models.ImageClassifier(
        backbone=backbone,
        num_classes=5,
        preprocessor=keras_hub.models.ImageClassifierPreprocessor(
            keras_hub.layers.ImageConverter(
                image_size=(32, 40), scale=[0.1, 0.2, 0.3], offset=[1, 2, 3]
            )
        ),
    )
    specification = inspect_source(classifier)
    assert specification.accepted_shape == (None, None, 3)
    assert specification.preferred_shape == (32, 40, 3)
    assert specification.num_classes == 5
    assert list(specification.pixel_scale) == [0.1, 0.2, 0.3]
    assert list(specification.pixel_offset) == [1, 2, 3]


def one_number():
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.ops.sum(inputs, axis=-1))


def two_ended():
    inputs = [keras.Input((4,)), keras.Input((4,))]
    return keras.Model(inputs, keras.layers.Add()(inputs))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: "resnet", "keras.Model"),
        (lambda: keras.Sequential([keras.layers.Dense(3)]), "known shapes"),
        (two_ended, "one input"),
        (one_number, "axis of classes"),
    ],
)
def test_a_source_without_an_axis_of_classes_is_a_value_error(make, message):
    with pytest.raises(ValueError, match=message) as error:
        inspect_source(make())
    assert "Received: " in str(error.value)


def test_fingerprint_says_what_differs(source):
    expected = fingerprint(source)
    assert compare_fingerprints(source, expected) == []
    clone = keras.models.clone_model(source)
    clone.set_weights(source.get_weights())
    assert compare_fingerprints(clone, expected) == []
    weights = source.get_weights()
    weights[0] = weights[0] + 1e-3
    clone.set_weights(weights)
    (sentence,) = compare_fingerprints(clone, expected)
    assert "1 of 8 weights" in sentence and "kernel" in sentence
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6)])
    assert any(
        "input shape" in text for text in compare_fingerprints(other, expected)
    )


def test_a_sequential_model_that_was_never_called_is_run():
    source = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    values = np.ones((2, 4), "float32")
    found = FrozenSource(source)(values)
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), ops.convert_to_numpy(source(values))
    )
