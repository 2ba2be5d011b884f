"""What can be known of sources and programs without training them."""

from keras_reprogram.diagnostics.h_score import h_score
from keras_reprogram.diagnostics.logme import logme
from keras_reprogram.diagnostics.program_gain import ProgramGain
from keras_reprogram.diagnostics.program_gain import program_gain
from keras_reprogram.diagnostics.ranking import RankedReadout
from keras_reprogram.diagnostics.ranking import Ranking
from keras_reprogram.diagnostics.ranking import rank_sources

__all__ = [
    "ProgramGain",
    "RankedReadout",
    "Ranking",
    "h_score",
    "logme",
    "program_gain",
    "rank_sources",
]
