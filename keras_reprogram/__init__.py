"""Model reprogramming for Keras 3.

A sample goes through `inputs/`, the frozen source and `outputs/`; only the
two ends learn.
"""

from keras_reprogram import acceleration
from keras_reprogram import bank
from keras_reprogram import black_box
from keras_reprogram import callbacks
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
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.outputs import LabelMapper
from keras_reprogram.version import __version__

__all__ = [
    "InputReprogrammer",
    "LabelMapper",
    "ProgramBank",
    "ReprogrammedModel",
    "__version__",
    "acceleration",
    "bank",
    "black_box",
    "callbacks",
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
