"""Plots of patterns, masks, reprogrammed inputs and label maps."""

from keras_reprogram.visualization.pictures import plot_inputs
from keras_reprogram.visualization.pictures import plot_label_map
from keras_reprogram.visualization.pictures import plot_mask
from keras_reprogram.visualization.pictures import plot_pattern

__all__ = [
    "plot_inputs",
    "plot_label_map",
    "plot_mask",
    "plot_pattern",
]
