"""Output mappings: from the source's outputs to predictions of the target."""

from keras_reprogram.outputs.attentive_probe import AttentiveProbe
from keras_reprogram.outputs.cell_classes import CellClasses
from keras_reprogram.outputs.channel_decoder import ChannelDecoder
from keras_reprogram.outputs.cross_validation import CrossValidation
from keras_reprogram.outputs.cross_validation import Solution
from keras_reprogram.outputs.forecast_head import ForecastHead
from keras_reprogram.outputs.label_mapper import LabelMapper
from keras_reprogram.outputs.logistic_regression import logistic_regression
from keras_reprogram.outputs.mappings.attributes import AttributeMapping
from keras_reprogram.outputs.mappings.bayesian import BayesianMapping
from keras_reprogram.outputs.mappings.bayesian import BayesianPlusMapping
from keras_reprogram.outputs.mappings.fixed import FixedMapping
from keras_reprogram.outputs.mappings.fixed import IdentityMapping
from keras_reprogram.outputs.mappings.fixed import RandomMapping
from keras_reprogram.outputs.mappings.frequency import FrequencyMapping
from keras_reprogram.outputs.mappings.frequency import IterativeMapping
from keras_reprogram.outputs.mappings.linear import LinearMapping
from keras_reprogram.outputs.mappings.mapping import Mapping
from keras_reprogram.outputs.mappings.mapping import MapShape
from keras_reprogram.outputs.mappings.mapping import SourceSelection
from keras_reprogram.outputs.mappings.mapping import StatisticsMapping
from keras_reprogram.outputs.mappings.similarity import SemanticMapping
from keras_reprogram.outputs.mappings.similarity import SimilarityMapping
from keras_reprogram.outputs.mappings.verbalizers import verbalizers
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.outputs.regression_head import RegressionHead
from keras_reprogram.outputs.residual_label_mapper import ResidualLabelMapper
from keras_reprogram.outputs.ridge_regression import ridge_regression
from keras_reprogram.outputs.source_numbers import SourceNumbers
from keras_reprogram.outputs.state_channels import StateChannels

__all__ = [
    "AttentiveProbe",
    "AttributeMapping",
    "BayesianMapping",
    "BayesianPlusMapping",
    "CellClasses",
    "ChannelDecoder",
    "CrossValidation",
    "FixedMapping",
    "ForecastHead",
    "FrequencyMapping",
    "IdentityMapping",
    "IterativeMapping",
    "LabelMapper",
    "LinearMapping",
    "MapShape",
    "Mapping",
    "OutputMapping",
    "RandomMapping",
    "RegressionHead",
    "ResidualLabelMapper",
    "SemanticMapping",
    "SimilarityMapping",
    "Solution",
    "SourceNumbers",
    "SourceSelection",
    "StateChannels",
    "StatisticsMapping",
    "logistic_regression",
    "ridge_regression",
    "verbalizers",
]
