"""What can be measured of sources and programs, before and in training."""

from keras_reprogram.diagnostics.alignment import alignment
from keras_reprogram.diagnostics.alignment_log import AlignmentLog
from keras_reprogram.diagnostics.bound import RiskBound
from keras_reprogram.diagnostics.bound import risk_bound
from keras_reprogram.diagnostics.distances import frechet_distance
from keras_reprogram.diagnostics.distances import sliced_wasserstein
from keras_reprogram.diagnostics.distances import wasserstein
from keras_reprogram.diagnostics.h_score import h_score
from keras_reprogram.diagnostics.logme import logme
from keras_reprogram.diagnostics.program_gain import ProgramGain
from keras_reprogram.diagnostics.program_gain import program_gain
from keras_reprogram.diagnostics.ranking import RankedReadout
from keras_reprogram.diagnostics.ranking import Ranking
from keras_reprogram.diagnostics.ranking import rank_sources

__all__ = [
    "AlignmentLog",
    "ProgramGain",
    "RankedReadout",
    "Ranking",
    "RiskBound",
    "alignment",
    "frechet_distance",
    "h_score",
    "logme",
    "program_gain",
    "rank_sources",
    "risk_bound",
    "sliced_wasserstein",
    "wasserstein",
]
