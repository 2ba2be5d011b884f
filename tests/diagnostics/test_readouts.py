import keras
import numpy as np
import pytest

from keras_reprogram.black_box import QueriedSource
from keras_reprogram.diagnostics.readouts import with_readouts
from keras_reprogram.sources import TextSource
from keras_reprogram.sources import features
from keras_reprogram.sources import stage_features

NAMES = ("logits", "features", "stages")


def images(shape=(16, 16, 3)):
    return np.random.default_rng(0).uniform(0, 255, (2, *shape))


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x.astype("float32")))


@pytest.fixture(scope="module")
def classifier():
    keras_hub = pytest.importorskip("keras_hub")
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 128],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    return keras_hub.models.ImageClassifier(backbone, num_classes=5)


def test_one_model_has_the_outputs_of_three(classifier):
    shape = (16, 16, 3)
    model, readouts = with_readouts(classifier, NAMES, shape)
    assert [readout.name for readout in readouts] == list(NAMES)
    expected = [
        outputs(source, images())
        for source in (
            classifier,
            features(classifier),
            stage_features(classifier, shape),
        )
    ]
    sizes = [sum(readout.block_sizes) for readout in readouts]
    assert sizes == [values.shape[1] for values in expected]
    np.testing.assert_allclose(
        outputs(model, images()), np.concatenate(expected, axis=1), atol=1e-4
    )
    assert readouts[-1].block_sizes == (4 * 4 * 64, 2 * 2 * 128)


def test_the_backbone_computes_once(classifier):
    model, _ = with_readouts(classifier, NAMES, (16, 16, 3))
    shared = {id(weight) for weight in classifier.weights}
    assert {id(weight) for weight in model.weights} == shared
    layers = [layer.name for layer in model.layers]
    assert sum(name.startswith("functional") for name in layers) == 2


@pytest.mark.parametrize("names", [["stages"], ["features"], ["logits"]])
def test_a_part_is_read_alone(classifier, names):
    model, readouts = with_readouts(classifier, names, (16, 16, 3))
    assert [readout.name for readout in readouts] == names
    assert model.output_shape[1] == sum(readouts[0].block_sizes)


def test_a_model_without_named_stages_has_logits_and_features(source):
    model, readouts = with_readouts(source, NAMES, (8, 8, 3))
    assert readouts == [("logits", (6,)), ("features", (4,))]
    found = outputs(model, images((8, 8, 3)))
    np.testing.assert_allclose(
        found[:, :6], outputs(source, images((8, 8, 3))), atol=1e-5
    )


def test_a_model_without_a_dense_layer_has_its_output():
    inputs = keras.Input((8, 8, 3))
    source = keras.Model(inputs, keras.layers.GlobalMaxPooling2D()(inputs))
    _, readouts = with_readouts(source, NAMES, (8, 8, 3))
    assert readouts == [("logits", (3,))]
    assert with_readouts(source, ["features"], (8, 8, 3))[1] == []


def test_stages_that_are_a_source_of_their_own_are_its_blocks(classifier):
    source = stage_features(classifier, (16, 16, 3))
    _, readouts = with_readouts(source, NAMES, (16, 16, 3))
    assert readouts == [("logits", (4 * 4 * 64, 2 * 2 * 128))]


def test_outputs_at_positions_are_not_taken_apart():
    inputs = keras.Input((6, 4))
    source = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    model, readouts = with_readouts(source, NAMES, (6, 4))
    assert model is source
    assert readouts == [("logits", (3,))]


def test_a_queried_source_is_not_taken_apart():
    source = QueriedSource(lambda x: x[:, 0, 0], (4, 4, 3), 3, True)
    model, readouts = with_readouts(source, NAMES, (4, 4, 3))
    assert model is source
    assert readouts == [("logits", (3,))]


def test_a_text_source_is_not_taken_apart():
    keras_hub = pytest.importorskip("keras_hub")
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=10,
        num_layers=1,
        num_heads=1,
        hidden_dim=4,
        intermediate_dim=4,
        max_sequence_length=8,
    )
    source = TextSource(backbone)
    model, readouts = with_readouts(source, NAMES, (None, None, 4))
    assert model is source
    assert readouts == [("logits", (4,))]
