"""Metrics for missing labels, rare classes and quantiles."""

from keras_reprogram.metrics.balanced_accuracy import BalancedAccuracy
from keras_reprogram.metrics.balanced_accuracy import BalancedBinaryAccuracy
from keras_reprogram.metrics.class_scores import ClassScores
from keras_reprogram.metrics.class_scores import scores_by_class
from keras_reprogram.metrics.known_labels import KnownAccuracy
from keras_reprogram.metrics.known_labels import KnownAUC
from keras_reprogram.metrics.known_labels import KnownBinaryAccuracy
from keras_reprogram.metrics.known_numbers import IntervalCoverage
from keras_reprogram.metrics.known_numbers import KnownMeanAbsoluteError
from keras_reprogram.metrics.known_numbers import KnownMeanSquaredError
from keras_reprogram.metrics.thresholds import best_threshold

__all__ = [
    "BalancedAccuracy",
    "BalancedBinaryAccuracy",
    "ClassScores",
    "IntervalCoverage",
    "KnownAUC",
    "KnownAccuracy",
    "KnownBinaryAccuracy",
    "KnownMeanAbsoluteError",
    "KnownMeanSquaredError",
    "best_threshold",
    "scores_by_class",
]
