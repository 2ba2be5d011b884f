"""Pretrained sources from PyPI packages."""

from keras_reprogram.pretrained.attention_rnn import speech_attention_rnn
from keras_reprogram.pretrained.efficientnet_lite import (
    efficientnet_lite0_preset,
)
from keras_reprogram.pretrained.efficientnet_lite import (
    efficientnet_lite1_preset,
)
from keras_reprogram.pretrained.efficientnet_lite import (
    efficientnet_lite2_preset,
)
from keras_reprogram.pretrained.fracast import fracast_forecaster
from keras_reprogram.pretrained.log_mel_spectrogram import LogMelSpectrogram
from keras_reprogram.pretrained.minilm import minilm_preset
from keras_reprogram.pretrained.musicnn import MUSIC_TAGS
from keras_reprogram.pretrained.musicnn import musicnn_tagger
from keras_reprogram.pretrained.smollm2 import smollm2_preset
from keras_reprogram.pretrained.whisper import whisper_tiny_english_preset

__all__ = [
    "LogMelSpectrogram",
    "MUSIC_TAGS",
    "efficientnet_lite0_preset",
    "efficientnet_lite1_preset",
    "efficientnet_lite2_preset",
    "fracast_forecaster",
    "minilm_preset",
    "musicnn_tagger",
    "smollm2_preset",
    "speech_attention_rnn",
    "whisper_tiny_english_preset",
]
