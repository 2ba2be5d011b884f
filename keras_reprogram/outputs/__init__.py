"""From the source's outputs to the target's."""

from keras_reprogram.outputs import mappings
from keras_reprogram.outputs.attributes import AttributeMapping
from keras_reprogram.outputs.forecast_head import ForecastHead
from keras_reprogram.outputs.label_end import LabelEnd
from keras_reprogram.outputs.label_mapper import LabelMapper
from keras_reprogram.outputs.logistic_regression import logistic_regression
from keras_reprogram.outputs.methods import BayesianMapping
from keras_reprogram.outputs.methods import BayesianPlusMapping
from keras_reprogram.outputs.methods import FixedMapping
from keras_reprogram.outputs.methods import FrequencyMapping
from keras_reprogram.outputs.methods import IdentityMapping
from keras_reprogram.outputs.methods import IterativeMapping
from keras_reprogram.outputs.methods import LinearMapping
from keras_reprogram.outputs.methods import Mapping
from keras_reprogram.outputs.methods import RandomMapping
from keras_reprogram.outputs.methods import StatisticsMapping
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
    "LabelEnd",
    "LabelMapper",
    "LinearMapping",
    "Mapping",
    "RandomMapping",
    "SimilarityMapping",
    "RegressionHead",
    "StatisticsMapping",
    "logistic_regression",
    "mappings",
    "ridge_regression",
    "verbalizers",
]
