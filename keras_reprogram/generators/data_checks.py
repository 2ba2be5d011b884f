"""Checks of a generator, and of the real samples it is trained with."""

import warnings
from typing import Protocol

import keras
import numpy as np

from keras_reprogram.black_box.queried_source import queried_sources
from keras_reprogram.dtypes import is_number
from keras_reprogram.inputs.noise.conditional_noise import LABELS
from keras_reprogram.inputs.noise.conditional_noise import NOISE
from keras_reprogram.inputs.noise.conditional_noise import ConditionalNoise
from keras_reprogram.keras_internals import has_graph
from keras_reprogram.models import batches
from keras_reprogram.models import checks
from keras_reprogram.outputs.label_weights import ClassWeights
from keras_reprogram.outputs.targets import ClassTargets
from keras_reprogram.replicas import process_group
from keras_reprogram.typing import Data
from keras_reprogram.typing import FixedShape

# Samples that are compared with generated ones before training.
COMPARED = 64
# How much wider than generated samples real ones may be.
WIDEST = 4.0
SMALLEST = 1e-6
NO_GRADIENT = (
    "No gradient reaches the generator: does the source cast to integers, "
    "round, or contain a function that is not differentiable?"
)


class Generating(Protocol):
    """A model that generates samples of classes."""

    targets: ClassTargets

    @property
    def num_classes(self) -> int: ...

    @property
    def sample_shape(self) -> FixedShape: ...

    def generate(self, labels: Data) -> np.ndarray: ...


# === The generator ===


def check_generator(
    generator: keras.Model, num_classes: int, noise_dim: int
) -> None:
    """Raises a `ValueError` unless a model generates samples of classes."""
    if not isinstance(generator, keras.Model):
        raise ValueError(
            "`generator` must be a `keras.Model`. Received: generator="
            f"{generator!r}"
        )
    layer = getattr(generator, "input_reprogrammer", None)
    if isinstance(layer, ConditionalNoise):
        found = layer.num_classes, layer.noise_dim
        if found != (num_classes, noise_dim):
            raise ValueError(
                "The discriminator must have as many classes as the generator, "
                "and `noise_dim` must be that of its `ConditionalNoise`: "
                f"{found}. Received: {num_classes} classes and noise_dim="
                f"{noise_dim}"
            )
    elif layer is not None or names_of_inputs(generator) != {LABELS, NOISE}:
        raise ValueError(
            "`generator` must be a `ReprogrammedModel` with a "
            "`ConditionalNoise`, or a model with inputs of the names "
            f'"{LABELS}" and "{NOISE}". Received: generator={generator!r} with '
            "inputs "
            f"{sorted(names_of_inputs(generator))}"
        )
    source = getattr(generator, "source", None)
    if source is not None and queried_sources(source):
        raise ValueError(
            "A generator is trained by its gradient, which a source that is "
            f"queried does not have. Received: source={source!r}"
        )


def names_of_inputs(model: keras.Model) -> set[str]:
    """Names by which a model takes its inputs."""
    if not has_graph(model):  # of the user's own code
        return {LABELS, NOISE}
    if isinstance(model.input, dict):
        return set(model.input)
    return {tensor.name for tensor in model.inputs}


def check_one_process() -> None:
    """Raises a `ValueError` in one of several processes of PyTorch."""
    if process_group() is not None:
        raise ValueError(
            "A `ConditionalGenerator` is trained in one process: leave "
            "`torch.distributed` out. Received: several processes"
        )


# === Samples ===


def checked(
    model: Generating, x: Data, y: Data, sample_weight: Data = None
) -> tuple[Data, Data]:
    """Returns samples and labels out of their containers, if valid.

    A data set is returned as it is.

    Raises:
        ValueError: If arrays are not samples and their classes.
    """
    x, y = batches.unwrap_single(x), checks.array_of_labels(y)
    is_container = x is None or isinstance(x, (dict, list, tuple))
    if not batches.is_array(x) and not (
        is_container and not checks.holds_batches(x)
    ):
        checks.check_lengths(x, y, sample_weight)
        return x, y
    expected = f"`x` must be samples of shape {(None, *model.sample_shape)}"
    if is_container or y is None:
        raise ValueError(
            f"{expected}, with their classes `y`. Received: x="
            f"{checks.described(x)} and y={checks.described(y)}"
        )
    shape = tuple(x.shape)
    if not is_number(x) or shape[1:] != model.sample_shape or not shape[0]:
        raise ValueError(
            f"{expected}. Received: x of shape {shape} and dtype {x.dtype}"
        )
    checks.check_lengths(x, y, sample_weight)
    model.targets.check_integers(batches.to_numpy(y))
    samples = batches.to_numpy(x)
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        raise ValueError(
            "`x` must be finite. Received: samples with NaN or infinity"
        )
    return x, y


def with_checked_start(model: Generating, x: Data) -> Data:
    """Returns a data set whose first batch is valid; arrays as they are.

    Warns of samples in another range than generated ones.
    """
    if batches.is_array(x):
        warn_of_range(model, batches.to_numpy(x))
        return x
    first, x = batches.with_first_batch(x)
    if first is not None:
        samples, _ = checked(model, *first)
        warn_of_range(model, samples)
    return x


def warn_of_range(model: Generating, samples: np.ndarray) -> None:
    """Warns of samples that are not in the range of generated ones."""
    generated = model.generate(np.arange(COMPARED) % model.num_classes)
    low, high = float(samples.min()), float(samples.max())
    lowest, highest = float(generated.min()), float(generated.max())
    width = max(-lowest, highest, SMALLEST)
    is_wider = max(-low, high) > WIDEST * width
    # As pixels from 0 to 1, for a generator of pixels from -1 to 1.
    is_one_sided = low >= 0.0 and lowest < -0.5 * width
    if is_wider or is_one_sided:
        warnings.warn(
            "Real samples must be in the range of generated ones, or the "
            "discriminator tells them apart by it: scale `x`, for instance "
            "pixels to [-1, 1] for a generator that ends in tanh. Received: "
            f"real values from {low:.3g} to {high:.3g}, generated ones from "
            f"{lowest:.3g} to {highest:.3g}",
            stacklevel=2,
        )


def warn_of_missing_classes(y: Data, num_classes: int) -> None:
    """Warns of classes that have no sample."""
    found = np.unique(batches.to_numpy(y)).tolist()
    missing = sorted(set(range(num_classes)) - set(found))
    if missing:
        warnings.warn(
            "Classes without a sample are not learned: pass samples of all "
            f"classes, or a smaller `num_classes`. Received: no sample of "
            f"{len(missing)} of {num_classes} classes, the first {missing[0]}",
            stacklevel=2,
        )


def check_class_weight(class_weight: object, targets: ClassTargets) -> None:
    """Raises a `ValueError` unless it maps classes to weights."""
    if isinstance(class_weight, str):
        raise ValueError(
            "`class_weight` must be a dictionary from classes to weights, for "
            "instance from `numpy.bincount` of the labels. Received: "
            f"class_weight={class_weight!r}"
        )
    if class_weight is not None:
        ClassWeights.given(class_weight, targets)
