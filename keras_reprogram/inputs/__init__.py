"""From a target sample to what the source expects."""

from keras_reprogram.inputs import methods
from keras_reprogram.inputs.augmentation import RandomShift
from keras_reprogram.inputs.bases import Basis
from keras_reprogram.inputs.bases import Cosine
from keras_reprogram.inputs.bases import Grid
from keras_reprogram.inputs.bases import LowRank
from keras_reprogram.inputs.channels_in_time import ChannelsInTime
from keras_reprogram.inputs.coordinator import CoordinatorProgram
from keras_reprogram.inputs.dense_combination import DenseCombination
from keras_reprogram.inputs.image_programs import ConvolutionProgram
from keras_reprogram.inputs.image_programs import SampleMaskedProgram
from keras_reprogram.inputs.input_end import InputEnd
from keras_reprogram.inputs.input_reprogrammer import InputReprogrammer
from keras_reprogram.inputs.layout import FixedTokens
from keras_reprogram.inputs.layout import MaskToken
from keras_reprogram.inputs.layout import SoftPrompt
from keras_reprogram.inputs.mosaic import Mosaic
from keras_reprogram.inputs.placement import Pad
from keras_reprogram.inputs.placement import Placement
from keras_reprogram.inputs.placement import Resize
from keras_reprogram.inputs.placement import Tile
from keras_reprogram.inputs.programs import Program
from keras_reprogram.inputs.programs import RandomPatchProgram
from keras_reprogram.inputs.programs import UniversalProgram
from keras_reprogram.inputs.regions import Everywhere
from keras_reprogram.inputs.regions import Frame
from keras_reprogram.inputs.regions import Outside
from keras_reprogram.inputs.regions import Patch
from keras_reprogram.inputs.regions import Region
from keras_reprogram.inputs.scaled_pad import ScaledPad
from keras_reprogram.inputs.series_reprogrammer import SeriesReprogrammer
from keras_reprogram.inputs.series_statistics import StatisticsPrompt
from keras_reprogram.inputs.series_statistics import series_statistics
from keras_reprogram.inputs.sparse_combination import SparseCombination
from keras_reprogram.inputs.text_prototypes import TextPrototypes
from keras_reprogram.inputs.token_patches import TokenPatches
from keras_reprogram.inputs.token_programs import FreeEmbeddings
from keras_reprogram.inputs.token_programs import SourceTokens
from keras_reprogram.inputs.token_programs import TokenProgram
from keras_reprogram.inputs.token_remapping import TokenRemapping
from keras_reprogram.inputs.token_reprogrammer import TokenReprogrammer

__all__ = [
    "Basis",
    "ChannelsInTime",
    "ConvolutionProgram",
    "CoordinatorProgram",
    "Cosine",
    "DenseCombination",
    "Everywhere",
    "FixedTokens",
    "Frame",
    "FreeEmbeddings",
    "Grid",
    "InputEnd",
    "InputReprogrammer",
    "LowRank",
    "MaskToken",
    "Mosaic",
    "Outside",
    "Pad",
    "Patch",
    "Placement",
    "Program",
    "RandomPatchProgram",
    "RandomShift",
    "Region",
    "Resize",
    "SampleMaskedProgram",
    "ScaledPad",
    "SeriesReprogrammer",
    "SoftPrompt",
    "SourceTokens",
    "SparseCombination",
    "StatisticsPrompt",
    "TextPrototypes",
    "Tile",
    "TokenPatches",
    "TokenProgram",
    "TokenRemapping",
    "TokenReprogrammer",
    "UniversalProgram",
    "methods",
    "series_statistics",
]
