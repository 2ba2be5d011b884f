"""Input transformations, which convert samples to inputs of the source."""

from keras_reprogram.inputs.averaged_views import AveragedViews
from keras_reprogram.inputs.graphs.aggregator_choice import AggregatorChoice
from keras_reprogram.inputs.graphs.edge_slimming import EdgeSlimming
from keras_reprogram.inputs.graphs.feature_padding import FeaturePadding
from keras_reprogram.inputs.graphs.feature_projection import FeatureProjection
from keras_reprogram.inputs.graphs.graph_padding import GraphPadding
from keras_reprogram.inputs.graphs.graph_reprogrammer import GraphReprogrammer
from keras_reprogram.inputs.graphs.graph_transformation import (
    GraphTransformation,
)
from keras_reprogram.inputs.graphs.padded_graphs import padded_graphs
from keras_reprogram.inputs.images.affine import Affine
from keras_reprogram.inputs.images.augmentation import RandomShift
from keras_reprogram.inputs.images.bases import Basis
from keras_reprogram.inputs.images.bases import Cosine
from keras_reprogram.inputs.images.bases import Grid
from keras_reprogram.inputs.images.bases import LowRank
from keras_reprogram.inputs.images.channel_concatenation import (
    ChannelConcatenation,
)
from keras_reprogram.inputs.images.color_gain import ColorGain
from keras_reprogram.inputs.images.coordinator import CoordinatorPattern
from keras_reprogram.inputs.images.feature_mosaic import FeatureMosaic
from keras_reprogram.inputs.images.image_patterns import ConvolutionPattern
from keras_reprogram.inputs.images.image_patterns import SampleMaskedPattern
from keras_reprogram.inputs.images.pair_drawings import DifferenceMatrix
from keras_reprogram.inputs.images.pair_drawings import GramianField
from keras_reprogram.inputs.images.pair_drawings import RecurrencePlot
from keras_reprogram.inputs.images.pattern import Pattern
from keras_reprogram.inputs.images.patterns import RandomPatchPattern
from keras_reprogram.inputs.images.patterns import UniversalPattern
from keras_reprogram.inputs.images.placement import Placement
from keras_reprogram.inputs.images.placements import Pad
from keras_reprogram.inputs.images.placements import Resize
from keras_reprogram.inputs.images.regions import Everywhere
from keras_reprogram.inputs.images.regions import Frame
from keras_reprogram.inputs.images.regions import Outside
from keras_reprogram.inputs.images.regions import Patch
from keras_reprogram.inputs.images.regions import Region
from keras_reprogram.inputs.images.scaled_pad import ScaledPad
from keras_reprogram.inputs.images.series_drawing import SeriesDrawing
from keras_reprogram.inputs.images.series_picture import SeriesPicture
from keras_reprogram.inputs.images.sliding_windows import SlidingWindows
from keras_reprogram.inputs.images.spectrogram import Spectrogram
from keras_reprogram.inputs.images.tile import Tile
from keras_reprogram.inputs.images.token_patches import TokenPatches
from keras_reprogram.inputs.images.wrapped_placement import WrappedPlacement
from keras_reprogram.inputs.input_reprogrammer import InputReprogrammer
from keras_reprogram.inputs.input_transformation import InputTransformation
from keras_reprogram.inputs.joined_transformation import JoinedTransformation
from keras_reprogram.inputs.noise.conditional_noise import ConditionalNoise
from keras_reprogram.inputs.series.channel_adapter import ChannelAdapter
from keras_reprogram.inputs.series.missing_values import padded_series
from keras_reprogram.inputs.series.missing_values import with_known_future
from keras_reprogram.inputs.series.series_correction import SeriesCorrection
from keras_reprogram.inputs.series.series_reprogrammer import SeriesReprogrammer
from keras_reprogram.inputs.series.series_statistics import StatisticsPrompt
from keras_reprogram.inputs.series.series_statistics import series_statistics
from keras_reprogram.inputs.series.text_prototypes import TextPrototypes
from keras_reprogram.inputs.states.injected_cells import InjectedCells
from keras_reprogram.inputs.states.recurrence import Recurrence
from keras_reprogram.inputs.states.state_matrix import StateMatrix
from keras_reprogram.inputs.states.state_transformation import (
    StateTransformation,
)
from keras_reprogram.inputs.tokens.dense_combination import DenseCombination
from keras_reprogram.inputs.tokens.layout import FixedTokens
from keras_reprogram.inputs.tokens.layout import MaskToken
from keras_reprogram.inputs.tokens.layout import SoftPrompt
from keras_reprogram.inputs.tokens.sparse_combination import SparseCombination
from keras_reprogram.inputs.tokens.token_mappings import FreeEmbeddings
from keras_reprogram.inputs.tokens.token_mappings import SourceTokens
from keras_reprogram.inputs.tokens.token_mappings import TokenMapping
from keras_reprogram.inputs.tokens.token_remapping import TokenRemapping
from keras_reprogram.inputs.tokens.token_reprogrammer import TokenReprogrammer

__all__ = [
    "Affine",
    "AggregatorChoice",
    "AveragedViews",
    "Basis",
    "ChannelAdapter",
    "ChannelConcatenation",
    "ColorGain",
    "ConditionalNoise",
    "ConvolutionPattern",
    "CoordinatorPattern",
    "Cosine",
    "DenseCombination",
    "DifferenceMatrix",
    "EdgeSlimming",
    "Everywhere",
    "FeatureMosaic",
    "FeaturePadding",
    "FeatureProjection",
    "FixedTokens",
    "Frame",
    "FreeEmbeddings",
    "GramianField",
    "GraphPadding",
    "GraphReprogrammer",
    "GraphTransformation",
    "Grid",
    "InjectedCells",
    "InputReprogrammer",
    "InputTransformation",
    "JoinedTransformation",
    "LowRank",
    "MaskToken",
    "Outside",
    "Pad",
    "Patch",
    "Pattern",
    "Placement",
    "RandomPatchPattern",
    "RandomShift",
    "Recurrence",
    "RecurrencePlot",
    "Region",
    "Resize",
    "SampleMaskedPattern",
    "ScaledPad",
    "SeriesCorrection",
    "SeriesDrawing",
    "SeriesPicture",
    "SeriesReprogrammer",
    "SlidingWindows",
    "SoftPrompt",
    "SourceTokens",
    "SparseCombination",
    "Spectrogram",
    "StateMatrix",
    "StateTransformation",
    "StatisticsPrompt",
    "TextPrototypes",
    "Tile",
    "TokenMapping",
    "TokenPatches",
    "TokenRemapping",
    "TokenReprogrammer",
    "UniversalPattern",
    "WrappedPlacement",
    "padded_graphs",
    "padded_series",
    "series_statistics",
    "with_known_future",
]
