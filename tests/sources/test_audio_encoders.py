"""The lengths of encoders; their outputs are tested with `AudioSource`."""

import keras
import pytest

from keras_reprogram.sources.audio_encoders import MoonshineEncoding
from keras_reprogram.sources.audio_encoders import WhisperEncoding
from keras_reprogram.sources.audio_encoders import encoder_of

pytestmark = pytest.mark.numpy_alone


class Backbone:
    max_encoder_sequence_length = 3000


@pytest.mark.parametrize(
    "kind, samples, steps",
    [
        (WhisperEncoding, 400, 2),
        (WhisperEncoding, 16000, 50),
        (WhisperEncoding, 16001, 51),
        (WhisperEncoding, 480000, 1500),
        (MoonshineEncoding, 895, 1),
        (MoonshineEncoding, 1278, 1),
        (MoonshineEncoding, 1279, 2),
        (MoonshineEncoding, 16000, 40),
    ],
)
def test_a_waveform_has_as_many_steps_as_it_needs(kind, samples, steps):
    assert kind(Backbone(), samples).num_steps == steps


@pytest.mark.parametrize(
    "model", [keras.Sequential([keras.Input((4,))]), keras.Sequential(), None]
)
def test_other_models_are_named(model):
    with pytest.raises(ValueError, match="WhisperBackbone.*Received: "):
        encoder_of(model, 1000)
