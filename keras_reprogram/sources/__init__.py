"""Pretrained models: inspection, freezing, features, fingerprints, adapters."""

from keras_reprogram.sources.audio import AudioSource
from keras_reprogram.sources.cell_rule import CellRule
from keras_reprogram.sources.cellular_automaton import cellular_automaton
from keras_reprogram.sources.features import features
from keras_reprogram.sources.fingerprint import fingerprint
from keras_reprogram.sources.fingerprint_comparison import compare_fingerprints
from keras_reprogram.sources.fingerprint_comparison import not_compared
from keras_reprogram.sources.frozen_source import FrozenSource
from keras_reprogram.sources.graph_network import GraphNetwork
from keras_reprogram.sources.inspection import inspect_source
from keras_reprogram.sources.joined_source import JoinedSource
from keras_reprogram.sources.living_cells import LivingCells
from keras_reprogram.sources.specification import SourceSpecification
from keras_reprogram.sources.stage_features import stage_features
from keras_reprogram.sources.text import TextSource
from keras_reprogram.sources.window_features import window_features
from keras_reprogram.sources.zero_shot import embed_texts
from keras_reprogram.sources.zero_shot import zero_shot_classifier

__all__ = [
    "AudioSource",
    "CellRule",
    "FrozenSource",
    "GraphNetwork",
    "JoinedSource",
    "LivingCells",
    "SourceSpecification",
    "TextSource",
    "cellular_automaton",
    "compare_fingerprints",
    "embed_texts",
    "features",
    "fingerprint",
    "inspect_source",
    "not_compared",
    "stage_features",
    "window_features",
    "zero_shot_classifier",
]
