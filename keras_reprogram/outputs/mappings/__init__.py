"""Mappings from source classes to target classes."""

import keras
import numpy as np

from keras_reprogram.outputs.mappings.bayesian import BayesianMapping
from keras_reprogram.outputs.mappings.bayesian import BayesianPlusMapping
from keras_reprogram.outputs.mappings.fixed import FixedMapping
from keras_reprogram.outputs.mappings.fixed import IdentityMapping
from keras_reprogram.outputs.mappings.fixed import RandomMapping
from keras_reprogram.outputs.mappings.frequency import FrequencyMapping
from keras_reprogram.outputs.mappings.frequency import IterativeMapping
from keras_reprogram.outputs.mappings.linear import LinearMapping
from keras_reprogram.outputs.mappings.mapping import Mapping

NAMED: dict[str, type[Mapping]] = {
    "identity": IdentityMapping,
    "random": RandomMapping,
    "frequency": FrequencyMapping,
    "iterative": IterativeMapping,
    "bayesian": BayesianMapping,
    "bayesian_plus": BayesianPlusMapping,
    "linear": LinearMapping,
}


def get(identifier: object) -> Mapping:
    """Returns a mapping from a name, a config, a matrix or groups."""
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, str) and identifier in NAMED:
        return NAMED[identifier]()
    if isinstance(identifier, Mapping):
        return identifier
    if isinstance(identifier, np.ndarray):
        return FixedMapping(matrix=identifier)
    if isinstance(identifier, (list, tuple)):
        return FixedMapping(groups=identifier)
    raise ValueError(
        f"`mapping` must be one of {sorted(NAMED)}, a "
        "`keras_reprogram.outputs.Mapping`, a matrix, or a list of source "
        f"classes for every target class. Received: {identifier!r}"
    )
