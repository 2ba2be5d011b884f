"""Metrics for targets with missing labels and with rare classes."""

from keras_reprogram.metrics.balanced_accuracy import BalancedAccuracy
from keras_reprogram.metrics.balanced_accuracy import BalancedBinaryAccuracy
from keras_reprogram.metrics.class_scores import ClassScores
from keras_reprogram.metrics.class_scores import scores_by_class
from keras_reprogram.metrics.known_labels import KnownAccuracy
from keras_reprogram.metrics.known_labels import KnownAUC
from keras_reprogram.metrics.known_labels import KnownBinaryAccuracy
from keras_reprogram.metrics.thresholds import best_threshold

__all__ = [
    "BalancedAccuracy",
    "BalancedBinaryAccuracy",
    "ClassScores",
    "KnownAUC",
    "KnownAccuracy",
    "KnownBinaryAccuracy",
    "best_threshold",
    "scores_by_class",
]
