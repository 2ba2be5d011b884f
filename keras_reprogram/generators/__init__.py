"""Conditional generators, trained against a discriminator."""

from keras_reprogram.generators.conditional_generator import (
    ConditionalGenerator,
)
from keras_reprogram.generators.features import image_features
from keras_reprogram.generators.projection_discriminator import (
    ProjectionDiscriminator,
)

__all__ = [
    "ConditionalGenerator",
    "ProjectionDiscriminator",
    "image_features",
]
