import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel

keras_hub = pytest.importorskip("keras_hub")

SCALE, OFFSET = [0.01, 0.02, 0.03], [-1.0, -2.0, -3.0]


def preprocessor():
    return keras_hub.models.ImageClassifierPreprocessor(
        keras_hub.layers.ImageConverter(
            image_size=(16, 16), scale=SCALE, offset=OFFSET
        )
    )


def resnet():
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
    )
    return keras_hub.models.ImageClassifier(
        backbone=backbone, num_classes=5, preprocessor=preprocessor()
    )


def vit():
    backbone = keras_hub.models.ViTBackbone(
        image_shape=(16, 16, 3),
        patch_size=8,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=8,
        dropout_rate=0.5,
    )
    return keras_hub.models.ViTImageClassifier(
        backbone=backbone,
        num_classes=5,
        preprocessor=keras_hub.models.ViTImageClassifierPreprocessor(
            keras_hub.layers.ViTImageConverter(
                image_size=(16, 16), scale=SCALE, offset=OFFSET
            )
        ),
    )


@pytest.mark.parametrize("make", [resnet, vit])
def test_a_classifier_brings_its_size_and_scaling(make, images, labels):
    classifier = make()
    model = ReprogrammedModel(
        classifier, InputReprogrammer(pattern=None), LabelMapper(3)
    )
    assert model.input_reprogrammer.canvas_shape == (16, 16, 3)
    canvas = ops.convert_to_numpy(
        model.input_reprogrammer(np.full((1, 4, 4, 1), 100, "uint8"))
    )
    expected = 100 * np.array(SCALE) + OFFSET
    np.testing.assert_allclose(canvas[0, 0, 0], expected, atol=1e-5)


@pytest.mark.parametrize("make", [resnet, vit])
def test_train_save_and_load(make, images, labels, tmp_path):
    classifier = make()
    model = ReprogrammedModel(
        classifier,
        InputReprogrammer(target_shape=(4, 4, 1)),
        LabelMapper(3, "iterative"),
    )
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    before = classifier.get_weights()
    model.fit(
        images,
        labels,
        epochs=2,
        verbose=0,
        validation_data=(images, labels),
    )
    for old, new in zip(before, classifier.get_weights()):
        np.testing.assert_array_equal(old, new)
    expected = model.predict(images, verbose=0)
    model.save_program(tmp_path / "task.program")
    model.save(tmp_path / "model.keras")
    for loaded in (
        ReprogrammedModel.load_program(tmp_path / "task.program", classifier),
        keras.models.load_model(tmp_path / "model.keras"),
    ):
        assert len(loaded.trainable_weights) == 1
        np.testing.assert_allclose(
            loaded.predict(images, verbose=0), expected, atol=1e-5
        )
