"""The reprogrammed model, its training and checks of its data."""

from keras_reprogram.models.corrected_inputs import fit_correction
from keras_reprogram.models.corrected_inputs import inverted_inputs
from keras_reprogram.models.corrected_inputs import nearest_source_inputs
from keras_reprogram.models.prediction_draws import predict_draws
from keras_reprogram.models.reprogrammed_model import ReprogrammedModel

__all__ = [
    "ReprogrammedModel",
    "fit_correction",
    "inverted_inputs",
    "nearest_source_inputs",
    "predict_draws",
]
