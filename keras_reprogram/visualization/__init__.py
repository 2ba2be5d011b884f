"""Plots of programs, patterns, inputs, label maps, rankings and alignment."""

from keras_reprogram.visualization.curves import plot_alignment
from keras_reprogram.visualization.pictures import plot_inputs
from keras_reprogram.visualization.pictures import plot_label_map
from keras_reprogram.visualization.pictures import plot_mask
from keras_reprogram.visualization.pictures import plot_pattern
from keras_reprogram.visualization.programs import plot_program
from keras_reprogram.visualization.rankings import plot_ranking

__all__ = [
    "plot_alignment",
    "plot_inputs",
    "plot_label_map",
    "plot_mask",
    "plot_pattern",
    "plot_program",
    "plot_ranking",
]
