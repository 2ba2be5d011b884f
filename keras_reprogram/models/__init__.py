"""A frozen source between the two ends that learn."""

from keras_reprogram.models.label_map_update import LabelMapUpdate
from keras_reprogram.models.program_bank import ProgramBank
from keras_reprogram.models.reprogrammed_model import ReprogrammedModel
from keras_reprogram.models.restore_best import RestoreBest
from keras_reprogram.models.resume_training import ResumeTraining

__all__ = [
    "LabelMapUpdate",
    "ProgramBank",
    "ReprogrammedModel",
    "RestoreBest",
    "ResumeTraining",
]
