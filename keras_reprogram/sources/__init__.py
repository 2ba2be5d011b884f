"""What the library must know of a source."""

from keras_reprogram.sources.attention_rnn import speech_attention_rnn
from keras_reprogram.sources.features import features
from keras_reprogram.sources.fingerprint import differences
from keras_reprogram.sources.fingerprint import fingerprint
from keras_reprogram.sources.fingerprint import not_compared
from keras_reprogram.sources.frozen_source import FrozenSource
from keras_reprogram.sources.inference_client import InferenceClient
from keras_reprogram.sources.inference_client import InferenceError
from keras_reprogram.sources.inspection import SourceSpecification
from keras_reprogram.sources.inspection import inspect_source
from keras_reprogram.sources.log_mel_spectrogram import LogMelSpectrogram
from keras_reprogram.sources.minilm import minilm_preset
from keras_reprogram.sources.musicnn import MUSIC_TAGS
from keras_reprogram.sources.musicnn import musicnn_tagger
from keras_reprogram.sources.packaged import efficientnet_lite0_preset
from keras_reprogram.sources.queried import QueriedSource
from keras_reprogram.sources.queried import top_answers
from keras_reprogram.sources.rematerialization import rematerialize
from keras_reprogram.sources.smollm2 import smollm2_preset
from keras_reprogram.sources.stage_features import stage_features
from keras_reprogram.sources.text import TextSource
from keras_reprogram.sources.zero_shot import embed_texts
from keras_reprogram.sources.zero_shot import zero_shot_classifier

__all__ = [
    "FrozenSource",
    "InferenceClient",
    "InferenceError",
    "LogMelSpectrogram",
    "MUSIC_TAGS",
    "QueriedSource",
    "SourceSpecification",
    "TextSource",
    "differences",
    "efficientnet_lite0_preset",
    "embed_texts",
    "features",
    "fingerprint",
    "inspect_source",
    "minilm_preset",
    "musicnn_tagger",
    "not_compared",
    "rematerialize",
    "speech_attention_rnn",
    "smollm2_preset",
    "stage_features",
    "top_answers",
    "zero_shot_classifier",
]
