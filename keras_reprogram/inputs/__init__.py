"""From a target sample to what the source expects."""

from keras_reprogram.inputs.input_reprogrammer import InputReprogrammer
from keras_reprogram.inputs.placement import Pad
from keras_reprogram.inputs.placement import Placement
from keras_reprogram.inputs.placement import Resize
from keras_reprogram.inputs.placement import Tile
from keras_reprogram.inputs.programs import Program
from keras_reprogram.inputs.programs import UniversalProgram
from keras_reprogram.inputs.regions import Everywhere
from keras_reprogram.inputs.regions import Frame
from keras_reprogram.inputs.regions import Outside
from keras_reprogram.inputs.regions import Patch
from keras_reprogram.inputs.regions import Region

__all__ = [
    "Everywhere",
    "Frame",
    "InputReprogrammer",
    "Outside",
    "Pad",
    "Patch",
    "Placement",
    "Program",
    "Region",
    "Resize",
    "Tile",
    "UniversalProgram",
]
