"""The reprogrammed model, its training and checks of its data."""

from keras_reprogram.models.prediction_draws import predict_draws
from keras_reprogram.models.reprogrammed_model import ReprogrammedModel

__all__ = [
    "ReprogrammedModel",
    "predict_draws",
]
