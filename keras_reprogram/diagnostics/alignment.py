"""Alignment of reprogrammed target samples with a source's own samples."""

import keras
import numpy as np

from keras_reprogram import keras_internals
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.configurable import check_seed
from keras_reprogram.configurable import positive_integer
from keras_reprogram.diagnostics.distances import sliced_wasserstein
from keras_reprogram.diagnostics.distances import vectors
from keras_reprogram.models import batches
from keras_reprogram.models.reprogrammed_model import ReprogrammedModel
from keras_reprogram.typing import Data
from keras_reprogram.typing import Tensor


def alignment(
    model: ReprogrammedModel,
    x: Data,
    source_samples: Data = None,
    source_outputs: Tensor = None,
    max_samples: int = 1000,
    num_projections: int = 128,
    seed: int = 0,
) -> float:
    """Returns how far a source's outputs on a task are from those on its own.

    ```
    alignment = SW1({z(reprogram(x_t))}, {z(x_s)})
    ```

    `z` is the source's output as it is, logits or probabilities, `x_t` are
    target samples, `x_s` samples of the task that the source was trained on,
    and `SW1` is the sliced Wasserstein-1 distance (`sliced_wasserstein`).
    Smaller is more aligned. The label map and the labels do not enter.

    Values are comparable between input transformations of one source, with the
    same numbers of samples. Of each set at most `max_samples` are drawn at
    random, without replacement: of an array before the source computes them,
    of a data set afterwards.

    Example:

    ```python
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    model = keras_reprogram.ReprogrammedModel(
        keras.Model(inputs, outputs),  # stands for a pretrained model
        keras_reprogram.InputReprogrammer((4, 4, 1)),
        keras_reprogram.LabelMapper(num_classes=2),
    )
    images = np.random.randint(0, 256, size=(16, 4, 4, 1), dtype="uint8")
    source_images = np.random.rand(20, 8, 8, 3)
    keras_reprogram.diagnostics.alignment(model, images, source_images)
    ```

    Args:
        model: `ReprogrammedModel`.
        x: Target samples, as for `predict`.
        source_samples: Array, a list of arrays for a source of several inputs,
            or a data set of batches of samples. Samples of the source's own
            task as its layers expect them: KerasHub's preprocessing is not
            applied. Defaults to `None`.
        source_outputs: Array `[M, ...]`. The source's outputs on such samples,
            if they are known, such as of
            `classifier.predict(photographs)`. Pass either this or
            `source_samples`. Defaults to `None`.
        max_samples: Integer. Maximum number of samples of each set. Defaults
            to `1000`.
        num_projections: Integer. Number of directions of the distance.
            Defaults to `128`.
        seed: Integer. Seed of the samples and directions that are drawn.
            Defaults to `0`.

    Returns:
        The distance, a float.

    Raises:
        ValueError: If not exactly one of `source_samples` and `source_outputs`
            is given, outputs on the two sets have different lengths, the model
            is not a `ReprogrammedModel`, or a setting is not valid.

    References:
        - [Voice2Series](https://arxiv.org/abs/2106.09296): what training
          lowers, and a bound on the risk (`risk_bound`).
    """
    source_outputs = outputs_on_source_samples(
        model, source_samples, source_outputs, max_samples, seed
    )
    outputs = outputs_on_target_samples(model, x, max_samples, seed)
    return sliced_wasserstein(outputs, source_outputs, num_projections, seed)


def outputs_on_target_samples(
    model: ReprogrammedModel, x: Data, max_samples: int, seed: int
) -> np.ndarray:
    """Returns the source's outputs `[N, D]` on reprogrammed samples."""
    outputs = model.predict_source(drawn(finite(x), max_samples, seed))
    return flat("outputs", drawn(outputs, max_samples, seed))


def outputs_on_source_samples(
    model: ReprogrammedModel,
    source_samples: Data,
    source_outputs: Tensor,
    max_samples: int,
    seed: int,
) -> np.ndarray:
    """Returns the source's outputs `[M, D]` on its own samples."""
    if not isinstance(model, ReprogrammedModel):
        raise ValueError(
            "Alignment is measured between a `ReprogrammedModel` and its "
            "source. For `fit_label_map` it is the same in every epoch: call "
            "`alignment`. Received: a model of class "
            f"{type(model).__name__}"
        )
    check_one_of(source_samples, source_outputs)
    if source_outputs is None:
        samples = drawn(finite(source_samples), max_samples, seed)
        if not getattr(model.source, "accepts_missing_values", False):
            keras.tree.map_structure(check_finite, samples)
        source_outputs = outputs_of_source(model, samples)
    return flat("source_outputs", drawn(source_outputs, max_samples, seed))


def outputs_of_source(model: ReprogrammedModel, samples: Data) -> np.ndarray:
    """Returns the outputs of the frozen source, in inference mode."""
    inputs = keras.tree.map_structure(
        lambda tensor: keras.Input(tensor.shape[1:], dtype=tensor.dtype),
        keras_internals.graph_of(model.source).input,
    )
    runner = keras.Model(inputs, model.frozen_source(inputs))
    runner.run_eagerly = isinstance(model.source, QueriedSource)
    outputs: np.ndarray = runner.predict(samples, verbose=0)
    return outputs


def check_one_of(source_samples: Data, source_outputs: Tensor) -> None:
    if (source_samples is None) == (source_outputs is None):
        raise ValueError(
            "Pass either `source_samples`, samples of the task that the source "
            "was trained on, or `source_outputs`, its outputs on such samples. "
            f"Received: source_samples={kind(source_samples)}, "
            f"source_outputs={kind(source_outputs)}"
        )


def drawn(data: Data, max_samples: int, seed: int) -> Data:
    """Returns at most so many samples of arrays, and any other data as is."""
    max_samples = positive_integer("max_samples", max_samples)
    data = batches.unwrap_single(data)
    arrays = list(data.values()) if isinstance(data, dict) else data
    if not isinstance(arrays, (list, tuple)):
        arrays = [arrays]
    if not all(map(batches.is_array, arrays)):
        return data
    sizes = {len(array) for array in arrays}
    if len(sizes) != 1 or min(sizes) <= max_samples:
        return data
    (size,) = sizes
    generator = np.random.default_rng(check_seed(seed))
    rows = np.sort(generator.permutation(size)[:max_samples])
    return keras.tree.map_structure(
        lambda array: batches.to_numpy(array)[rows], data
    )


def finite(data: Data) -> Data:
    if batches.is_endless(data):
        raise ValueError(
            "Alignment needs a data set that ends: take some batches of it. "
            f"Received: {type(data).__name__} without an end"
        )
    return data


def check_finite(values: Data) -> None:
    """Raises a `ValueError` for an array with NaN or infinity.

    Some backends make 0 of NaN in an activation, and the outputs are finite.
    """
    if not batches.is_array(values):
        return
    array = batches.to_numpy(values)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(
            "`source_samples` must hold finite numbers: leave out the samples "
            "with missing values. Received: NaN or infinity in an array of "
            f"shape {array.shape}"
        )


def flat(name: str, outputs: Tensor) -> np.ndarray:
    """Returns a vector for each sample, float64 and checked."""
    shape = tuple(np.shape(outputs))
    if len(shape) > 2:
        outputs = batches.to_numpy(outputs).reshape(shape[0], -1)
    return vectors(name, outputs)


def kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
