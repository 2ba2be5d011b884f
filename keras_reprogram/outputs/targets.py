"""What is wrong with labels, said before anything is computed.

Labels are integers of shape `(samples, *positions)`, or zeros and ones of
shape `(samples, *positions, T)` where targets are binary. At a position of a
sequence or an image, -1 says that there is no label.
"""

from typing import Any

import numpy as np
from keras import ops

from keras_reprogram.outputs.mappings import check_binary_labels
from keras_reprogram.outputs.mappings import check_labels

Shape = tuple[int | None, ...]
NO_LABEL = -1
# What a label becomes that the loss ignores: none that anybody would write.
IGNORED = np.iinfo("int32").min


def check_sparse_shape(shape: Shape, sizes: Shape = ()) -> None:
    """Raises unless there is one label a sample, and one for each position.

    Args:
        shape: The labels' shape, batch included.
        sizes: Sizes of the axes of positions, `None` where not known.
    """
    rank = len(sizes) + 1
    found = tuple(shape[:-1] if len(shape) == rank + 1 else shape)
    if (
        len(found) == rank
        and (len(shape) == rank or shape[-1] in (1, None))
        and all(
            None in pair or pair[0] == pair[1] for pair in zip(found[1:], sizes)
        )
    ):
        return
    axes = ", ".join(["samples", *(str(size or "positions") for size in sizes)])
    if sizes and len(found) == 1:
        raise ValueError(
            "`y` must hold a label for each position of the source's output, "
            f"of shape ({axes},). For one label a sample, average the "
            "positions of a backbone without pooling: use "
            "`keras_reprogram.sources.stage_features(backbone)`, or a "
            "`keras.Model` with `keras.layers.GlobalAveragePooling2D` (1D for "
            f"tokens) at its end. Received: y of shape {tuple(shape)}"
        )
    raise ValueError(
        "`y` must hold one integer label for each sample"
        f"{' and position of the output' * bool(sizes)}, of shape ({axes}"
        f"{',' * (not sizes)}); "
        "turn one-hot labels into integers by `argmax(axis=-1)`"
        f"{', and resize masks to that' * bool(sizes)}. Received: y of shape "
        f"{tuple(shape)}"
    )


def check_sparse(
    y: np.ndarray,
    num_classes: int,
    sizes: Shape = (),
    ignored: int | None = None,
) -> None:
    """The same, and raises for labels that are no classes.

    Args:
        y: The labels.
        num_classes: Number of classes.
        sizes: As for `check_sparse_shape`.
        ignored: A label that the loss leaves out.
    """
    check_sparse_shape(y.shape, sizes)
    check_kind(y)
    flat = y.reshape(-1)
    flat = flat[flat != IGNORED]
    if sizes:
        flat = flat[flat != NO_LABEL]
    if ignored is not None:
        flat = flat[flat != ignored]
    if flat.dtype.kind == "f" and np.isnan(flat).any():
        raise ValueError(
            "`y` must hold an integer for each sample; where binary targets "
            "are not all known, use `LabelMapper(multi_label=True)`, which "
            "takes NaN for a label that is missing. Received: labels of NaN"
        )
    check_labels(flat, num_classes)


def check_all_labeled(y: np.ndarray) -> None:
    """Raises if positions have no label, for a loss that ignores none."""
    missing = np.count_nonzero(y == NO_LABEL)
    if missing:
        raise ValueError(
            "Positions without a label, of -1, go with a loss that ignores "
            "them: pass `keras.losses.SparseCategoricalCrossentropy("
            "ignore_class=-1)` to `compile`. Received: "
            f"{missing} of {y.size} labels that are -1"
        )


def check_kind(y: np.ndarray) -> None:
    """Raises for labels that are no numbers."""
    if y.dtype.kind not in "biuf":
        raise ValueError(
            "`y` must hold numbers: turn names of classes into integers by "
            "`names, y = np.unique(y, return_inverse=True)`. Received: y of "
            f"dtype {y.dtype}"
        )


def check_one_hot(
    shape: Shape, num_classes: int, num_position_axes: int = 0
) -> None:
    """Raises unless labels are one-hot, `(samples, ..., classes)`."""
    if len(shape) == num_position_axes + 2 and shape[-1] in (num_classes, None):
        return
    axes = ", ".join(["samples", *["positions"] * num_position_axes])
    raise ValueError(
        "`y` must be one-hot for a categorical loss, of shape "
        f"({axes}, {num_classes}); integers go with "
        "`keras.losses.SparseCategoricalCrossentropy`. Received: y of shape "
        f"{tuple(shape)}"
    )


def check_binary_shape(
    shape: Shape, num_classes: int, num_position_axes: int = 0
) -> None:
    if len(shape) == num_position_axes + 2 and shape[-1] in (num_classes, None):
        return
    axes = ", ".join(["samples", *["positions"] * num_position_axes])
    raise ValueError(
        "`y` must hold a label of 0 or 1 for each of the binary targets, of "
        f"shape ({axes}, {num_classes}). Received: y of shape {tuple(shape)}"
    )


def check_binary(
    y: np.ndarray, num_classes: int, num_position_axes: int = 0
) -> None:
    check_binary_shape(y.shape, num_classes, num_position_axes)
    check_binary_labels(y.reshape(-1, num_classes))


def one_hot_to_sparse(y: np.ndarray, num_classes: int) -> np.ndarray:
    """Turns one-hot labels, as categorical losses take them, into integers.

    One of zeros alone says nothing: it becomes `IGNORED`.
    """
    if not y.shape[-1] == num_classes > 1:
        return y
    return np.where(y.max(axis=-1) > 0, y.argmax(axis=-1), IGNORED)


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


def divided(y: Any, y_pred: Any, scale: Any) -> tuple[Any, Any]:
    """Targets and predictions `(batch, ..., T)` over their scale `[T]`.

    Targets may lack the axis of one target.
    """
    y, y_pred = ops.convert_to_tensor(y), ops.convert_to_tensor(y_pred)
    y = ops.cast(y, y_pred.dtype)
    if len(y.shape) == len(y_pred.shape) - 1:
        y = ops.expand_dims(y, -1)
    scale = ops.cast(scale, y_pred.dtype)
    return ops.divide(y, scale), ops.divide(y_pred, scale)
