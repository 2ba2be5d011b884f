"""Structures that carry the source's outputs through a training step.

A label map that is solved again needs the source's outputs together with the
labels, which Keras passes to `compute_loss` but not to `call`. A step therefore
calls the model with `StepSamples`, and the model returns `StepOutputs`.
"""

from typing import NamedTuple

import keras

from keras_reprogram.typing import Tensor


class StepSamples(NamedTuple):
    """The samples of a training step.

    Attributes:
        samples: Tensor `(batch, *sample_shape)`.
    """

    samples: Tensor


class StepOutputs(NamedTuple):
    """The outputs of a model for `StepSamples`.

    Attributes:
        predictions: Tensor `(batch, ..., T)`.
        source_outputs: Tensor `(batch, ..., S)`.
    """

    predictions: Tensor
    source_outputs: Tensor


def with_step_samples(data: Tensor) -> Tensor:
    """Returns the data of a step with its samples as `StepSamples`."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    return StepSamples(x), y, sample_weight


def samples_of(x: Tensor) -> Tensor:
    """Returns the samples of a step as a tensor."""
    return x.samples if isinstance(x, StepSamples) else x
