"""From the source's outputs to the target's."""

from keras_reprogram.outputs import mappings
from keras_reprogram.outputs.attributes import AttributeMapping
from keras_reprogram.outputs.forecast_head import ForecastHead
from keras_reprogram.outputs.label_mapper import LabelMapper
from keras_reprogram.outputs.label_mappings import BayesianMapping
from keras_reprogram.outputs.label_mappings import BayesianPlusMapping
from keras_reprogram.outputs.label_mappings import FixedMapping
from keras_reprogram.outputs.label_mappings import FrequencyMapping
from keras_reprogram.outputs.label_mappings import IdentityMapping
from keras_reprogram.outputs.label_mappings import IterativeMapping
from keras_reprogram.outputs.label_mappings import LinearMapping
from keras_reprogram.outputs.label_mappings import Mapping
from keras_reprogram.outputs.label_mappings import RandomMapping
from keras_reprogram.outputs.label_mappings import StatisticsMapping
from keras_reprogram.outputs.logistic_regression import logistic_regression
from keras_reprogram.outputs.output_mapping import OutputMapping
from keras_reprogram.outputs.regression_head import RegressionHead
from keras_reprogram.outputs.ridge_regression import ridge_regression
from keras_reprogram.outputs.similarity import SimilarityMapping
from keras_reprogram.outputs.verbalizers import verbalizers

__all__ = [
    "AttributeMapping",
    "BayesianMapping",
    "BayesianPlusMapping",
    "FixedMapping",
    "ForecastHead",
    "FrequencyMapping",
    "IdentityMapping",
    "IterativeMapping",
    "LabelMapper",
    "LinearMapping",
    "Mapping",
    "OutputMapping",
    "RandomMapping",
    "RegressionHead",
    "SimilarityMapping",
    "StatisticsMapping",
    "logistic_regression",
    "mappings",
    "ridge_regression",
    "verbalizers",
]
