"""Checks of arrays of outputs, labels and statistics."""

import numpy as np


def check_samples(
    logits: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    name: str = "logits",
) -> tuple[np.ndarray, np.ndarray]:
    """Returns samples and their labels as arrays, or raises a `ValueError`."""
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.ndim != 2 or labels.shape not in (
        (len(logits),),
        (len(logits), num_classes),
    ):
        raise ValueError(
            f"`{name}` must have the shape [N, S] and `labels`, one integer a "
            "sample, the shape [N], or [N, T] for binary targets. Received: "
            f"{name} of {logits.shape}, labels of {labels.shape}"
        )
    logits = check_numbers(name, logits)
    if labels.ndim == 2:
        return logits, check_binary_labels(labels)
    return logits, check_labels(labels, num_classes)


def check_numbers(name: str, values: object) -> np.ndarray:
    """Returns an array of finite real numbers, or raises a `ValueError`."""
    array: np.ndarray = np.asarray(values)
    if array.dtype.kind not in "biuf":
        try:
            if array.dtype.kind in "USMmc":
                raise TypeError
            array = array.astype("float64")
        except (TypeError, ValueError):
            raise ValueError(
                f"`{name}` must be numbers. Received: {name} of dtype "
                f"{array.dtype}"
            ) from None
    finite = np.isfinite(array)
    if not finite.all():
        first = np.unravel_index(np.argmin(finite), array.shape)
        place = ", ".join(str(int(index)) for index in first)
        raise ValueError(
            f"`{name}` must be finite: {finite.size - finite.sum()} of its "
            f"{finite.size} numbers are NaN or infinite. Received: "
            f"{name}[{place}]={array[first]}"
        )
    return array


def check_binary_labels(labels: np.ndarray) -> np.ndarray:
    """Returns labels of binary targets as floats, or raises a `ValueError`."""
    if (
        labels.dtype.kind not in "biuf"
        or not np.isin(
            labels[~np.isnan(labels.astype("float64"))], (0, 1)
        ).all()
    ):
        raise ValueError(
            "Labels of binary targets must be 0, 1, or NaN for a missing "
            f"label. Received: labels of dtype {labels.dtype} with other "
            "values"
        )
    return labels.astype("float64")


def check_labels(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns integers in `[0, num_classes)`, or raises a `ValueError`."""
    requirement = f"`labels` must be integers from 0 to {num_classes - 1}"
    if labels.dtype.kind not in "biuf":
        raise ValueError(
            f"{requirement}; convert class names by "
            "`np.unique(labels, return_inverse=True)`. Received: labels of "
            f"dtype {labels.dtype}"
        )
    if not np.isfinite(labels).all():
        raise ValueError(
            f"{requirement}: leave out samples without a label. Only binary "
            "targets, `multi_label=True`, accept NaN for a missing label. "
            "Received: labels with NaN or infinity"
        )
    fractional = labels != np.floor(labels)
    if fractional.any():
        raise ValueError(
            f"{requirement}. Received: labels such as {labels[fractional][0]}"
        )
    if (labels < 0).any() or (labels >= num_classes).any():
        raise ValueError(
            f"{requirement}. Received: labels from {labels.min()} to "
            f"{labels.max()}"
        )
    return labels.astype("int64")


def check_statistics(statistics: np.ndarray) -> np.ndarray:
    """Returns statistics `[S, T]` in float64, or raises a `ValueError`."""
    statistics = np.array(statistics, "float64")
    if (
        statistics.ndim != 2
        or not (statistics >= 0).all()
        or not np.isfinite(statistics).all()
    ):
        raise ValueError(
            "`statistics` must be an array [S, T] of finite numbers of at "
            f"least 0. Received: an array of shape {statistics.shape}"
        )
    return statistics
