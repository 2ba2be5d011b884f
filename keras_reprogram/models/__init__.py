"""A frozen source between the two ends that learn."""

from keras_reprogram.models.label_map_update import LabelMapUpdate
from keras_reprogram.models.reprogrammed_model import ReprogrammedModel

__all__ = ["LabelMapUpdate", "ReprogrammedModel"]
