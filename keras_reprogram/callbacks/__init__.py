"""Callbacks: the best epoch, resumed training, query budgets."""

from keras_reprogram.callbacks.label_map_update import LabelMapUpdate
from keras_reprogram.callbacks.query_budget import QueryBudget
from keras_reprogram.callbacks.restore_best import RestoreBest
from keras_reprogram.callbacks.resume_training import ResumeTraining

__all__ = [
    "LabelMapUpdate",
    "QueryBudget",
    "RestoreBest",
    "ResumeTraining",
]
