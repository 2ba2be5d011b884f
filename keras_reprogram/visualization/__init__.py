"""Plots of programs, masks, reprogrammed inputs and label maps."""

from keras_reprogram.visualization.pictures import draw_inputs
from keras_reprogram.visualization.pictures import draw_label_map
from keras_reprogram.visualization.pictures import draw_mask
from keras_reprogram.visualization.pictures import draw_program

__all__ = [
    "draw_inputs",
    "draw_label_map",
    "draw_mask",
    "draw_program",
]
