"""From the source's outputs to the target's."""

from keras_reprogram.labels import mappings
from keras_reprogram.labels.attributes import AttributeMapping
from keras_reprogram.labels.forecast_head import ForecastHead
from keras_reprogram.labels.label_end import LabelEnd
from keras_reprogram.labels.label_mapper import LabelMapper
from keras_reprogram.labels.logistic_regression import logistic_regression
from keras_reprogram.labels.methods import BayesianMapping
from keras_reprogram.labels.methods import BayesianPlusMapping
from keras_reprogram.labels.methods import FixedMapping
from keras_reprogram.labels.methods import FrequencyMapping
from keras_reprogram.labels.methods import IdentityMapping
from keras_reprogram.labels.methods import IterativeMapping
from keras_reprogram.labels.methods import LinearMapping
from keras_reprogram.labels.methods import Mapping
from keras_reprogram.labels.methods import RandomMapping
from keras_reprogram.labels.methods import StatisticsMapping
from keras_reprogram.labels.regression_head import RegressionHead
from keras_reprogram.labels.ridge_regression import ridge_regression
from keras_reprogram.labels.similarity import SimilarityMapping
from keras_reprogram.labels.verbalizers import verbalizers

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
