"""What diagnostics accept as features and labels."""

import warnings

import numpy as np

from keras_reprogram.models.batches import to_numpy
from keras_reprogram.outputs.checks import check_numbers
from keras_reprogram.typing import Tensor


def checked_features(features: Tensor, labels: Tensor) -> np.ndarray:
    """Returns features `[N, D]` in float64, or raises a `ValueError`."""
    array = check_numbers("features", to_numpy(features)).astype("float64")
    count = np.shape(labels)[:1]
    if array.ndim < 2 or array.shape[:1] != count or array.shape[0] < 2:
        raise ValueError(
            "`features` must have the shape [N, ...], and `labels` the same "
            "number N of samples, which must be at least 2. Received: "
            f"features of shape {array.shape}, labels of shape "
            f"{np.shape(labels)}"
        )
    if not array.size:
        raise ValueError(
            "`features` must hold at least one feature. Received: features "
            f"of shape {array.shape}"
        )
    return array.reshape(len(array), -1)


def class_indices(labels: Tensor) -> np.ndarray | None:
    """Returns classes as integers `[N]`, or `None` if labels are numbers.

    Integers, booleans and strings are classes, and so are one-hot rows. Other
    floating point values are numbers. Classes without a sample are left out.

    Args:
        labels: Array or tensor `[N]`, `[N, 1]` or `[N, T]`.

    Raises:
        ValueError: If there are fewer than two classes, or integers in several
            columns.
    """
    array = to_numpy(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and is_one_hot(array):
        array = array.argmax(axis=1)
    if array.dtype.kind == "f":
        return None
    if array.ndim == 2 and array.dtype.kind in "biu":
        return None
    if array.ndim != 1 or array.dtype.kind not in "biuOSU":
        raise ValueError(
            "`labels` must be classes of shape [N], or numbers of shape [N] "
            f"or [N, T]. Received: labels of shape {array.shape} and dtype "
            f"{array.dtype}"
        )
    if array.dtype.kind == "O":
        array = array.astype(str)
    classes, indices = np.unique(array, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            "`labels` must hold samples of at least two classes. Received: "
            f"labels that are all {classes.tolist()}"
        )
    return np.asarray(indices)


def is_one_hot(array: np.ndarray) -> bool:
    return bool(
        array.dtype.kind in "biuf"
        and array.shape[1] > 1
        and np.isin(array, (0, 1)).all()
        and (array.sum(axis=1) == 1).all()
    )


def is_likely_classes(columns: np.ndarray) -> bool:
    """Whether numbers look like indices of classes."""
    values = np.unique(columns)
    return bool(
        columns.size == len(columns)
        and 1 < len(values) <= len(columns) / 4
        and (values == np.arange(len(values))).all()
    )


def target_columns(labels: Tensor) -> np.ndarray:
    """Returns numbers `[N, T]`, or one indicator column for each class.

    Args:
        labels: As for `class_indices`.

    Raises:
        ValueError: If labels are not finite, or have more than two axes.
    """
    classes = class_indices(labels)
    if classes is not None:
        indicators: np.ndarray = np.eye(classes.max() + 1)[classes]
        return indicators
    columns = check_numbers("labels", to_numpy(labels)).astype("float64")
    if columns.ndim not in (1, 2) or not columns.size:
        raise ValueError(
            "`labels` must have the shape [N] or [N, T]. Received: labels of "
            f"shape {columns.shape}"
        )
    if is_likely_classes(columns):
        warnings.warn(
            "Floating point labels are numbers to predict. If they are "
            "classes, pass `labels.astype(int)`. Received: labels with "
            f"{len(np.unique(columns))} distinct whole numbers",
            stacklevel=3,
        )
    return columns.reshape(len(columns), -1)
