"""What is wrong with data, said before anything is computed."""

from typing import Any

import numpy as np

from keras_reprogram.labels.mappings import check_binary_labels
from keras_reprogram.labels.mappings import check_labels
from keras_reprogram.models.batches import is_array
from keras_reprogram.models.batches import to_numpy


def check_samples(x: Any, target_shape: tuple[int | None, ...]) -> None:
    """Raises if an array of samples has the wrong shape or holds NaN."""
    if not is_array(x):
        return
    shape = tuple(x.shape[1:])
    # Keras adds a channel axis of one by itself.
    if target_shape[-1:] == (1,) and len(shape) == len(target_shape) - 1:
        shape = (*shape, 1)
    if len(shape) != len(target_shape) or any(
        wanted not in (None, size) for size, wanted in zip(shape, target_shape)
    ):
        raise ValueError(
            "`x` must hold samples of the `InputReprogrammer`'s target_shape "
            f"{target_shape}. Received: samples of shape {tuple(x.shape[1:])}"
        )
    values = to_numpy(x)
    if values.dtype.kind not in "iufb":
        raise ValueError(
            f"`x` must hold numbers. Received: x of dtype {values.dtype}"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(
            "`x` must be finite. Received: samples with NaN or infinity"
        )


def check_lengths(x: Any, y: Any) -> None:
    """Raises unless there is one label for each sample."""
    if is_array(x) and is_array(y) and len(x) != len(y):
        raise ValueError(
            "`x` and `y` must have as many samples as each other. Received: "
            f"{len(x)} samples and {len(y)} labels"
        )


def check_targets(y: Any, num_classes: int, sparse: bool) -> None:
    """Raises if an array of labels is not what the loss and map expect.

    Args:
        y: The labels, or `None`.
        num_classes: Number of target classes.
        sparse: Whether labels must be integers, one for each sample.
    """
    if not is_array(y) or not sparse:
        return
    check_sparse_shape(y.shape)
    check_labels(to_numpy(y).reshape(-1), num_classes)


def check_binary_targets(y: Any, num_classes: int) -> None:
    """Raises if an array of labels of binary targets is not valid."""
    if not is_array(y):
        return
    check_binary_shape(y.shape, num_classes)
    check_binary_labels(to_numpy(y))


def check_binary_shape(shape: tuple[int | None, ...], num_classes: int) -> None:
    if len(shape) == 2 and shape[-1] in (num_classes, None):
        return
    raise ValueError(
        "`y` must hold a label of 0 or 1 for each of the binary targets, of "
        f"shape (samples, {num_classes}). Received: y of shape {tuple(shape)}"
    )


def check_sparse_shape(shape: tuple[int | None, ...]) -> None:
    if len(shape) == 1 or (len(shape) == 2 and shape[-1] in (1, None)):
        return
    raise ValueError(
        "`y` must hold one integer label for each sample, of shape (samples,)"
        "; turn one-hot labels into integers by `argmax(axis=-1)`. Received: "
        f"y of shape {tuple(shape)}"
    )


def one_hot_to_sparse(y: np.ndarray, num_classes: int) -> np.ndarray:
    """Turns one-hot labels, as categorical losses take them, into integers."""
    return y.argmax(axis=-1) if y.shape[-1] == num_classes > 1 else y
