"""What is wrong with labels, said before anything is computed.

Labels are integers of shape `(samples, *positions)`, or zeros and ones of
shape `(samples, *positions, T)` where targets are binary. At a position of a
sequence or an image, -1 says that there is no label.
"""

import numpy as np

from keras_reprogram.labels.mappings import check_binary_labels
from keras_reprogram.labels.mappings import check_labels

Shape = tuple[int | None, ...]
NO_LABEL = -1


def check_sparse_shape(shape: Shape, positions: int = 0) -> None:
    rank = positions + 1
    if len(shape) == rank:
        return
    if len(shape) == rank + 1 and shape[-1] in (1, None):
        return
    axes = ", ".join(["samples", *["positions"] * positions])
    raise ValueError(
        "`y` must hold one integer label for each sample"
        f"{' and position' * bool(positions)}, of shape ({axes},); turn "
        "one-hot labels into integers by `argmax(axis=-1)`. Received: y of "
        f"shape {shape}"
    )


def check_sparse(y: np.ndarray, num_classes: int, positions: int = 0) -> None:
    check_sparse_shape(y.shape, positions)
    flat = y.reshape(-1)
    check_labels(flat[flat != NO_LABEL] if positions else flat, num_classes)


def check_binary_shape(
    shape: Shape, num_classes: int, positions: int = 0
) -> None:
    if len(shape) == positions + 2 and shape[-1] in (num_classes, None):
        return
    axes = ", ".join(["samples", *["positions"] * positions])
    raise ValueError(
        "`y` must hold a label of 0 or 1 for each of the binary targets, of "
        f"shape ({axes}, {num_classes}). Received: y of shape {tuple(shape)}"
    )


def check_binary(y: np.ndarray, num_classes: int, positions: int = 0) -> None:
    check_binary_shape(y.shape, num_classes, positions)
    check_binary_labels(y.reshape(-1, num_classes))


def one_hot_to_sparse(y: np.ndarray, num_classes: int) -> np.ndarray:
    """Turns one-hot labels, as categorical losses take them, into integers."""
    return y.argmax(axis=-1) if y.shape[-1] == num_classes > 1 else y


def check_number_shape(shape: Shape, wanted: Shape, sparse: bool) -> None:
    """Raises unless targets are numbers of this shape without the batch."""
    if sparse:
        raise ValueError(
            "Numbers are not classes: compile with a loss of regression, such "
            'as "mse". Received: a sparse categorical loss'
        )
    sizes = tuple(shape[1:])
    if wanted[-1:] == (1,) and len(sizes) == len(wanted) - 1:
        sizes = (*sizes, 1)
    if len(sizes) != len(wanted) or any(
        None not in pair and pair[0] != pair[1] for pair in zip(sizes, wanted)
    ):
        axes = ", ".join(str(size or "positions") for size in wanted)
        raise ValueError(
            f"`y` must hold numbers of shape (samples, {axes}). Received: y "
            f"of shape {tuple(shape)}"
        )


def check_finite(y: np.ndarray) -> None:
    if y.dtype.kind not in "iufb":
        raise ValueError(
            f"`y` must hold numbers. Received: y of dtype {y.dtype}"
        )
    if not np.isfinite(y).all():
        raise ValueError(
            "`y` must be finite. Received: targets with NaN or infinity"
        )
