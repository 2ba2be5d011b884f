"""Gradients of a program from queries alone.

The source is asked for its outputs at a few programs around the present one;
an estimator makes a gradient of their losses. The label map, which comes after
the source, is trained by its exact gradient as ever.
"""

from keras_reprogram.zeroth_order.estimators import SPSA
from keras_reprogram.zeroth_order.estimators import GradientEstimator
from keras_reprogram.zeroth_order.estimators import OneSided
from keras_reprogram.zeroth_order.estimators import TwoSided
from keras_reprogram.zeroth_order.evolution import CMAES
from keras_reprogram.zeroth_order.query_budget import QueryBudget
from keras_reprogram.zeroth_order.schedules import PowerDecay

__all__ = [
    "CMAES",
    "SPSA",
    "GradientEstimator",
    "OneSided",
    "PowerDecay",
    "QueryBudget",
    "TwoSided",
]
