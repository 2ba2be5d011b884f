"""Model reprogramming for Keras 3.

A sample goes through `inputs/`, the frozen source and `outputs/`; only the
two ends are trained. `methods` has a function for each published method, which
returns the whole compiled model.
"""

import sys

from keras_reprogram import acceleration
from keras_reprogram import audio
from keras_reprogram import bank
from keras_reprogram import black_box
from keras_reprogram import callbacks
from keras_reprogram import constraints
from keras_reprogram import diagnostics
from keras_reprogram import generators
from keras_reprogram import inputs
from keras_reprogram import losses
from keras_reprogram import methods
from keras_reprogram import metrics
from keras_reprogram import models
from keras_reprogram import optimizers
from keras_reprogram import outputs
from keras_reprogram import pretrained
from keras_reprogram import recipes
from keras_reprogram import sources
from keras_reprogram import visualization
from keras_reprogram.bank import ProgramBank
from keras_reprogram.completion import show_public_names
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.inputs import SeriesReprogrammer
from keras_reprogram.inputs import TokenReprogrammer
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import ForecastHead
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.outputs import RegressionHead
from keras_reprogram.version import __version__

__all__ = [
    "ForecastHead",
    "InputReprogrammer",
    "LabelMapper",
    "ProgramBank",
    "RegressionHead",
    "ReprogrammedModel",
    "SeriesReprogrammer",
    "TokenReprogrammer",
    "__version__",
    "acceleration",
    "audio",
    "bank",
    "black_box",
    "callbacks",
    "constraints",
    "diagnostics",
    "generators",
    "inputs",
    "losses",
    "methods",
    "metrics",
    "models",
    "optimizers",
    "outputs",
    "pretrained",
    "recipes",
    "sources",
    "visualization",
]

show_public_names(sys.modules[__name__])
