"""From a target sample to what the source expects."""

from keras_reprogram.inputs import methods
from keras_reprogram.inputs.images.augmentation import RandomShift
from keras_reprogram.inputs.images.bases import Basis
from keras_reprogram.inputs.images.bases import Cosine
from keras_reprogram.inputs.images.bases import Grid
from keras_reprogram.inputs.images.bases import LowRank
from keras_reprogram.inputs.images.channels_in_time import ChannelsInTime
from keras_reprogram.inputs.images.coordinator import CoordinatorProgram
from keras_reprogram.inputs.images.image_programs import ConvolutionProgram
from keras_reprogram.inputs.images.image_programs import SampleMaskedProgram
from keras_reprogram.inputs.images.mosaic import Mosaic
from keras_reprogram.inputs.images.placement import Pad
from keras_reprogram.inputs.images.placement import Placement
from keras_reprogram.inputs.images.placement import Resize
from keras_reprogram.inputs.images.placement import Tile
from keras_reprogram.inputs.images.programs import Program
from keras_reprogram.inputs.images.programs import RandomPatchProgram
from keras_reprogram.inputs.images.programs import UniversalProgram
from keras_reprogram.inputs.images.regions import Everywhere
from keras_reprogram.inputs.images.regions import Frame
from keras_reprogram.inputs.images.regions import Outside
from keras_reprogram.inputs.images.regions import Patch
from keras_reprogram.inputs.images.regions import Region
from keras_reprogram.inputs.images.scaled_pad import ScaledPad
from keras_reprogram.inputs.images.token_patches import TokenPatches
from keras_reprogram.inputs.input_end import InputEnd
from keras_reprogram.inputs.input_reprogrammer import InputReprogrammer
from keras_reprogram.inputs.series.series_reprogrammer import SeriesReprogrammer
from keras_reprogram.inputs.series.series_statistics import StatisticsPrompt
from keras_reprogram.inputs.series.series_statistics import series_statistics
from keras_reprogram.inputs.series.text_prototypes import TextPrototypes
from keras_reprogram.inputs.tokens.dense_combination import DenseCombination
from keras_reprogram.inputs.tokens.layout import FixedTokens
from keras_reprogram.inputs.tokens.layout import MaskToken
from keras_reprogram.inputs.tokens.layout import SoftPrompt
from keras_reprogram.inputs.tokens.sparse_combination import SparseCombination
from keras_reprogram.inputs.tokens.token_programs import FreeEmbeddings
from keras_reprogram.inputs.tokens.token_programs import SourceTokens
from keras_reprogram.inputs.tokens.token_programs import TokenProgram
from keras_reprogram.inputs.tokens.token_remapping import TokenRemapping
from keras_reprogram.inputs.tokens.token_reprogrammer import TokenReprogrammer

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
