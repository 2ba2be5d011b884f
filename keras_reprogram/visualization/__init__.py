"""Plots of patterns, masks, reprogrammed inputs, label maps and rankings."""

from keras_reprogram.visualization.pictures import plot_inputs
from keras_reprogram.visualization.pictures import plot_label_map
from keras_reprogram.visualization.pictures import plot_mask
from keras_reprogram.visualization.pictures import plot_pattern
from keras_reprogram.visualization.rankings import plot_ranking

__all__ = [
    "plot_inputs",
    "plot_label_map",
    "plot_mask",
    "plot_pattern",
    "plot_ranking",
]
