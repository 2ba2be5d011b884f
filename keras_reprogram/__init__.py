"""Model reprogramming for Keras 3.

A sample goes through `inputs/`, the frozen source and `labels/`; only the two
ends learn.
"""

from keras_reprogram import diagnostics
from keras_reprogram import inputs
from keras_reprogram import labels
from keras_reprogram import losses
from keras_reprogram import metrics
from keras_reprogram import models
from keras_reprogram import optimizers
from keras_reprogram import recipes
from keras_reprogram import sources
from keras_reprogram import zeroth_order
from keras_reprogram.inputs import InputReprogrammer
from keras_reprogram.labels import LabelMapper
from keras_reprogram.models import ProgramBank
from keras_reprogram.models import ReprogrammedModel
from keras_reprogram.version import __version__

__all__ = [
    "InputReprogrammer",
    "LabelMapper",
    "ProgramBank",
    "ReprogrammedModel",
    "__version__",
    "diagnostics",
    "inputs",
    "labels",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "recipes",
    "sources",
    "zeroth_order",
]
