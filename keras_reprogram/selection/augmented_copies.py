"""Augmented copies of samples, as an array on disk."""

import os
import warnings
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_reprogram.black_box.queried_source import is_queried
from keras_reprogram.selection.parts import Part
from keras_reprogram.typing import Tensor

MOST_COPIES = 8  # rows of a sample, itself among them
# Copies make up for samples that are missing: of 1,000 images the regression is
# as accurate without them, and takes as long as the cube of the rows.
MOST_ROWS = 1600
HALF_FLOATS = ("float16", "bfloat16")


def number_of_copies(num_samples: int) -> int:
    """Returns the number of rows of each sample, itself among them.

    Eight for up to 200 samples, one for more than 800.
    """
    return max(1, min(MOST_COPIES, MOST_ROWS // num_samples))


def can_be_augmented(samples: np.ndarray, parts: Sequence[Part]) -> bool:
    """Whether copies are worth their time, and nothing is paid for them.

    Args:
        samples: Array `[N, ...]`.
        parts: List of the `Part`s that would compute them.
    """
    queried = any(is_queried(part.source) for part in parts)
    return number_of_copies(len(samples)) > 1 and not queried


def augmented_copies(
    path: str | os.PathLike[str],
    samples: np.ndarray,
    augmentation: keras.layers.Layer,
    copies: int,
    batch_size: int = 32,
    seed: int = 0,
) -> np.ndarray:
    """Writes samples and augmented copies of them to a file.

    The same seed and batch size lead to the same copies, of layers that draw by
    Keras's seed generators. The layer's variables stay as they are.

    Args:
        path: Path of the file.
        samples: Array `[N, ...]`, of the dtype in which a model takes them.
        augmentation: Keras layer that keeps the shape of a sample.
        copies: Integer. Number of rows of each sample, itself among them.
        batch_size: Integer. Number of samples that are augmented at a time.
            Defaults to `32`.
        seed: Integer. Seed of the augmentation. Defaults to `0`.

    Returns:
        Array `[copies * N, ...]`, memory-mapped: the samples, then one copy of
        each of them after the other.

    Raises:
        ValueError: If the layer changes the shape of samples, makes integers
            of floats, or returns NaN or infinity for finite samples.
    """
    size = len(samples)
    before = [
        (state, ops.convert_to_numpy(state.value))
        for state in augmentation.variables
    ]
    try:
        # The first call builds the layer, and may create seed generators.
        augmented(augmentation, samples[:1])
        for index, state in enumerate(seed_states(augmentation)):
            state.assign(np.array([seed % 2**31, index], state.dtype))
        kind = augmented(augmentation, samples[:1]).dtype
        rows = np.lib.format.open_memmap(
            path, "w+", kind, (copies * size, *samples.shape[1:])
        )
        rows[:size] = samples
        for first in range(size, copies * size, size):
            for start in range(0, size, batch_size):
                batch = samples[start : start + batch_size]
                stop = first + start + len(batch)
                rows[first + start : stop] = augmented(augmentation, batch)
    finally:
        for state, value in before:
            state.assign(value)
    rows.flush()
    warn_of_other_range(samples, rows[size:], augmentation)
    found: np.ndarray = rows
    return found


def warn_of_other_range(
    samples: np.ndarray, copies: np.ndarray, augmentation: keras.layers.Layer
) -> None:
    """Warns of a layer that was made for samples of another range."""
    if not copies.size:
        return
    low, high = float(samples.min()), float(samples.max())
    lowest, highest = float(copies.min()), float(copies.max())
    span = high - low
    if span > 0 and not low - span <= lowest <= highest <= high + span:
        warnings.warn(
            f"`augmentation` returns values from {lowest:g} to {highest:g} for "
            f"samples from {low:g} to {high:g}: pass the samples' range as the "
            f"`value_range` of {augmentation.name}, where it has one.",
            stacklevel=2,
        )


def augmented(
    augmentation: keras.layers.Layer, samples: np.ndarray
) -> np.ndarray:
    """Returns augmented samples."""
    found: np.ndarray = ops.convert_to_numpy(
        augmentation(ops.convert_to_tensor(samples), training=True)
    )
    if found.shape != samples.shape:
        raise ValueError(
            "`augmentation` must keep the shape of samples: leave out layers "
            "such as `keras.layers.RandomCrop`. Received: augmented samples "
            f"of shape {found.shape[1:]}, samples of {samples.shape[1:]}"
        )
    if found.dtype.name in HALF_FLOATS:  # Of a policy of mixed precision.
        found = found.astype("float32")
    if samples.dtype.kind == "f" and found.dtype.kind != "f":
        raise ValueError(
            "`augmentation` must return floats for samples of floats: leave "
            f"out its `dtype`. Received: values of dtype {found.dtype}"
        )
    if np.isnan(found[np.isfinite(samples)]).any() or np.isinf(found).any():
        raise ValueError(
            "`augmentation` must return finite values: pass the samples' range "
            "as its `value_range`, where it has one. Received: NaN or infinity "
            f"from {augmentation.name}"
        )
    return found


def seed_states(layer: keras.layers.Layer) -> list[Tensor]:
    """Returns the states of a layer's seed generators."""
    return [
        variable
        for variable in layer.variables
        if variable.path.endswith("seed_generator_state")
    ]
