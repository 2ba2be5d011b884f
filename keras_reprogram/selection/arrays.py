"""Samples, labels and weights of data of any kind, as arrays."""

import numpy as np

from keras_reprogram.dtypes import is_number
from keras_reprogram.models.batches import Batch
from keras_reprogram.models.batches import is_array
from keras_reprogram.models.batches import is_endless
from keras_reprogram.models.batches import iterate
from keras_reprogram.models.batches import unwrap_single
from keras_reprogram.typing import Data

MOST_SAMPLES = 3000


def arrays_of(
    x: Data, y: Data, sample_weight: Data, batch_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns samples, labels and weights of data of any kind as arrays.

    Args:
        x: As for `recipes.few_samples`.
        y: As for `recipes.few_samples`.
        sample_weight: As for `recipes.few_samples`.
        batch_size: Integer. Samples that are read at a time of an array.

    Returns:
        Arrays `[N, ...]`, `[N, ...]` and `[N]`.

    Raises:
        ValueError: If samples are not labeled, too many or without an end, or
            do not fit their labels and weights.
    """
    x, y = unwrap_single(x), unwrap_single(y)
    for name, given in (("y", y), ("sample_weight", sample_weight)):
        if given is not None:
            check_given(name, given, x)
    if is_endless(x):
        raise ValueError(
            "Candidates are compared on all samples of a data set: pass one "
            f"that ends. Received: x={type(x).__name__} without an end"
        )
    samples, labels, weights = [], [], []
    count = 0
    for batch in iterate(x, y, batch_size, sample_weight=sample_weight):
        own_samples, own_labels, own_weights = checked(batch)
        count += len(own_samples)
        if count > MOST_SAMPLES:
            raise ValueError(
                f"The comparison of candidates for more than {MOST_SAMPLES} "
                "samples takes long: pass a part of them, or train a "
                "`ReprogrammedModel` by `fit_label_map`. Received: more than "
                f"{MOST_SAMPLES} samples"
            )
        samples.append(own_samples)
        labels.append(own_labels)
        weights.append(own_weights)
    if not samples:
        raise ValueError(
            "Candidates are compared on labeled samples. Received: no batches"
        )
    return (
        concatenated("x", samples),
        concatenated("y", labels),
        concatenated("sample_weight", weights),
    )


def check_given(name: str, given: Data, x: Data) -> None:
    """Raises a `ValueError` unless there is a value for each sample."""
    if not is_array(x):
        raise ValueError(
            f"`{name}` is passed with an array of samples; a data set yields "
            "batches (x, y) or (x, y, sample_weight), and `np.stack` makes an "
            f"array of a list of samples. Received: x of type "
            f"{type(x).__name__}"
        )
    shape = np.shape(given)
    if shape[:1] != (len(x),):
        raise ValueError(
            f"`{name}` must hold one value for each sample. Received: "
            f"{len(x)} samples and `{name}` of shape {shape}"
        )


def checked(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the arrays of a batch, with weights of 1 if it has none."""
    samples, labels, weights = batch
    if labels is None:
        raise ValueError(
            "Candidates are compared on labeled samples: pass `y`, or "
            "batches (x, y). Received: samples without labels"
        )
    if not isinstance(samples, np.ndarray) or not samples.ndim:
        raise ValueError(
            "A batch must hold one array of samples: collect single samples "
            "into batches, as by `dataset.batch(32)` or a `DataLoader`. "
            f"Received: samples of type {type(samples).__name__}"
        )
    if not is_number(samples):
        raise ValueError(
            "Samples must be numbers of one shape: resize or pad those of "
            "different sizes, and convert text to tokens. Received: samples of "
            f"dtype {samples.dtype}, shape {samples.shape}"
        )
    if weights is None:
        weights = np.ones(len(samples))
    sizes = [part.shape[:1] for part in (samples, labels, weights)]
    if len(set(sizes)) > 1:
        raise ValueError(
            "A batch must hold a label and a weight for each of its samples: "
            "collect single samples into batches, as by `dataset.batch(32)` "
            f"or a `DataLoader`. Received: arrays of sizes {sizes}"
        )
    if weights.shape[1:] == (1,):
        weights = weights[:, 0]
    return samples, labels, weights


def concatenated(name: str, batches: list[np.ndarray]) -> np.ndarray:
    shapes = {batch.shape[1:] for batch in batches}
    if len(shapes) > 1:
        raise ValueError(
            f"All batches of `{name}` must have one shape. Received: items of "
            f"shapes {sorted(shapes)}"
        )
    return np.concatenate(batches)
