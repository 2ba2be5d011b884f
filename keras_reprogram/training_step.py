"""What passes through a training step besides samples and predictions.

A label map that is solved again needs the source's outputs together with the
labels, which Keras gives to `compute_loss` and not to `call`. So a step calls
the model with `StepSamples`, and the model returns `StepOutputs`.
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
    """What a model returns for `StepSamples`.

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
