"""The sources that hear: musicnn and the speech model."""

import importlib.util
import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import methods
from keras_reprogram.pretrained import MUSIC_TAGS
from keras_reprogram.pretrained import musicnn as musicnn_module
from keras_reprogram.pretrained import musicnn_tagger
from keras_reprogram.pretrained import speech_attention_rnn
from keras_reprogram.sources import inspect_source

needs_musicnn = pytest.mark.skipif(
    importlib.util.find_spec("musicnn") is None, reason="musicnn is missing"
)


def waves():
    """A tone of 440 Hz, and one of 110 Hz that turns over twice a second."""
    time = np.arange(186 * 256) / 16000
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)
    beat = np.sign(np.sin(2 * np.pi * 2 * time))
    return np.stack([tone, 0.3 * beat * np.sin(2 * np.pi * 110 * time)]).astype(
        "float32"
    )


@needs_musicnn
def test_musicnn_gives_the_logits_of_its_original_graph():
    source = musicnn_tagger()
    logits = ops.convert_to_numpy(source(waves()))
    assert logits.shape == (2, len(MUSIC_TAGS)) == (2, 50)
    golden = [
        [-6.2915, -10.5763, -2.8985, -10.4128, -10.4973, -7.6987],
        [-5.0931, -6.5348, -1.4916, -1.9482, -6.7793, -1.8067],
    ]
    np.testing.assert_allclose(logits[:, :6], golden, atol=2e-3)
    tags = [MUSIC_TAGS[tag] for tag in logits[0].argsort()[::-1][:3]]
    assert tags == ["flute", "solo", "slow"]


@needs_musicnn
def test_musicnn_takes_any_length_and_gives_probabilities_on_request():
    logits = ops.convert_to_numpy(musicnn_tagger(4000)(waves()[:, :4000]))
    source = musicnn_tagger(4000, classifier_activation="sigmoid")
    outputs = ops.convert_to_numpy(source(waves()[:, :4000]))
    np.testing.assert_allclose(outputs, 1 / (1 + np.exp(-logits)), atol=1e-5)
    assert not inspect_source(source).from_logits
    assert inspect_source(musicnn_tagger(4000)).from_logits


@needs_musicnn
def test_musicnn_in_bfloat16_hears_the_waveform_in_float32():
    sounds = waves()[:, :4000]
    narrow = musicnn_tagger(4000, dtype="bfloat16")
    spectrogram = narrow.get_layer("log_mel_spectrogram")
    assert spectrogram.compute_dtype == "bfloat16"
    outputs = ops.convert_to_numpy(ops.cast(narrow(sounds), "float32"))
    logits = ops.convert_to_numpy(musicnn_tagger(4000)(sounds))
    np.testing.assert_allclose(outputs, logits, atol=0.5)
    assert (outputs.argmax(axis=1) == logits.argmax(axis=1)).all()


@needs_musicnn
def test_musicnn_survives_its_file(tmp_path):
    source = musicnn_tagger(2000)
    source.save(tmp_path / "source.keras")
    copy = keras.models.load_model(tmp_path / "source.keras")
    np.testing.assert_array_equal(
        copy.predict(waves()[:, :2000], verbose=0),
        source.predict(waves()[:, :2000], verbose=0),
    )


@pytest.mark.parametrize("samples", [0, 511, 1.5])
def test_too_few_samples_are_a_value_error(samples):
    with pytest.raises(ValueError, match="Received: "):
        musicnn_tagger(samples)


def test_another_checkpoint_is_a_value_error(tmp_path):
    path = tmp_path / "checkpoint"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="SHA-256.*Received: "):
        musicnn_module.read_checkpoint(path)


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install --no-deps musicnn"):
        musicnn_tagger()


def parameters_of_the_paper(num_classes):
    convolutions = 5 * 10 + 10 + 5 * 10 + 1
    normalizations = 4 * (10 + 1)
    recurrent = 2 * 4 * 64 * (80 + 64 + 1) + 2 * 4 * 64 * (128 + 64 + 1)
    dense = 129 * 128 + 129 * 64 + 65 * 32 + 33 * num_classes
    return convolutions + normalizations + recurrent + dense


untrained = pytest.mark.filterwarnings("ignore:The weights of `speech")


@untrained
def test_the_speech_model_has_the_papers_layers():
    source = speech_attention_rnn()
    assert source.count_params() == parameters_of_the_paper(36)
    assert source.get_layer("log_mel_spectrogram").output.shape == (
        (None, 126, 80)
    )
    assert source.output_shape == (None, 36)
    assert not inspect_source(source).from_logits


def test_the_speech_model_warns_of_random_weights_and_loads_others(tmp_path):
    sounds = waves()[:, :2000]
    with pytest.warns(UserWarning, match="random.*`weights`") as warned:
        source = speech_attention_rnn(4, samples=2000)
    assert [each.filename for each in warned] == [__file__]
    source.save_weights(tmp_path / "speech.weights.h5")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "The weights of")
        copy = speech_attention_rnn(
            4, samples=2000, weights=tmp_path / "speech.weights.h5"
        )
    np.testing.assert_allclose(
        copy.predict(sounds, verbose=0),
        source.predict(sounds, verbose=0),
        rtol=1e-6,
    )


@untrained
def test_a_program_is_trained_in_the_waveform_of_the_speech_model():
    source = speech_attention_rnn(6, samples=2000)
    model = methods.voice2series(
        source, num_classes=2, target_shape=(100, 3), copies=2
    )
    theta = model.input_reprogrammer.pattern.theta
    before = ops.convert_to_numpy(theta.value)
    series = np.random.default_rng(0).normal(size=(8, 100, 3))
    history = model.fit(series, np.arange(8) % 2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    after = ops.convert_to_numpy(theta.value)
    assert np.isfinite(after).all() and (after != before).all()
