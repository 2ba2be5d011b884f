"""Looking at what was learned."""

from keras_reprogram.diagnostics.pictures import draw_inputs
from keras_reprogram.diagnostics.pictures import draw_label_map
from keras_reprogram.diagnostics.pictures import draw_mask
from keras_reprogram.diagnostics.pictures import draw_program

__all__ = ["draw_inputs", "draw_label_map", "draw_mask", "draw_program"]
