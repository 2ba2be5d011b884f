"""The labels of an output mapping: their formats and checks.

Class labels are integers of shape `(samples, *positions)`; binary targets are
zeros and ones of shape `(samples, *positions, T)`, NaN for missing labels;
numbers are of the shape of the predictions. At a position of a sequence or an
image, -1 marks a missing label.
"""

import dataclasses
import warnings
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_reprogram.dtypes import comparable
from keras_reprogram.dtypes import is_float
from keras_reprogram.outputs.checks import check_binary_labels
from keras_reprogram.outputs.checks import check_labels
from keras_reprogram.typing import Shape
from keras_reprogram.typing import Tensor

NO_LABEL = -1
ONE_FOR_A_SERIES = (
    'For one target for each series, use `SeriesReprogrammer(pooling="mean")` '
    'or `"concatenate"`. '
)
ONE_FOR_AN_AUTOMATON = (
    "For one class for each state of an automaton, use `CellClasses`, or "
    "`num_classes` of `methods.neural_cellular_automata`. "
)
# By the rank of a sample's targets.
ONE_FOR_A_SAMPLE = {2: ONE_FOR_A_SERIES, 3: ONE_FOR_AN_AUTOMATON}
# Replaces ignored labels; not a value that occurs as a label.
IGNORED = int(np.iinfo("int32").min)


class LabelFormat(NamedTuple):
    """The label format of a loss.

    Attributes:
        sparse: Boolean. Whether a class is an integer instead of a one-hot
            vector. Defaults to `False`.
        ignored: Integer. A label that the loss ignores. Defaults to `None`.
        allows_missing: Boolean. Whether the loss leaves out numbers that are
            NaN. Defaults to `False`.
    """

    sparse: bool = False
    ignored: int | None = None
    allows_missing: bool = False


INTEGERS = LabelFormat(sparse=True)


class Targets:
    """Base class: the valid labels of an output mapping."""

    @property
    def num_names(self) -> int:
        """Number of classes that may have a name; 0 for numbers."""
        return 0

    @property
    def description(self) -> str:
        """A description of the valid values, for error messages."""
        return "finite numbers"

    def check_shape(self, shape: Shape, form: LabelFormat) -> None:
        """Raises a `ValueError` unless labels have a valid shape.

        Args:
            shape: Tuple. The labels' shape with the batch axis, `None` for
                unknown sizes.
            form: A `LabelFormat`.
        """
        raise NotImplementedError

    def check(self, labels: np.ndarray, form: LabelFormat) -> None:
        """Raises a `ValueError` unless an array holds valid labels."""
        raise NotImplementedError

    def valid(self, labels: Tensor, form: LabelFormat) -> Tensor | None:
        """Returns which labels of a batch are valid, in a training step.

        Returns:
            A boolean tensor of the labels' shape, or `None` if all are valid.
        """
        return ops.isfinite(labels) if is_float(labels) else None

    def standardized(self, labels: np.ndarray, form: LabelFormat) -> np.ndarray:
        """Returns checked labels in the format of `OutputMapping.adapt`."""
        self.check(labels, form)
        return labels


@dataclasses.dataclass(frozen=True)
class ClassTargets(Targets):
    """One of several classes for each sample or position.

    Args:
        num_classes: Integer. `T`.
        position_sizes: Tuple. Sizes of the axes of positions, `None` for
            unknown sizes. Defaults to `()`.
    """

    num_classes: int
    position_sizes: Shape = ()

    @property
    def num_names(self) -> int:
        return self.num_classes

    @property
    def description(self) -> str:
        return f"integers from 0 to {self.num_classes - 1}"

    def check_shape(self, shape: Shape, form: LabelFormat) -> None:
        if form.sparse:
            check_sparse_shape(shape, self.position_sizes)

    def check(self, labels: np.ndarray, form: LabelFormat) -> None:
        check_kind(labels)
        if not form.sparse:
            warn_of_other_rows(labels)
            return
        if self.position_sizes and form.ignored != NO_LABEL:
            check_all_labeled(labels)
        self.check_integers(labels, form.ignored)

    def check_one_hot(self, shape: Shape) -> None:
        """Raises a `ValueError` unless labels have a one-hot shape."""
        positions = len(self.position_sizes)
        if len(shape) == positions + 2 and shape[-1] in (
            self.num_classes,
            None,
        ):
            return
        axes = ", ".join(["samples", *["positions"] * positions])
        raise ValueError(
            "`y` must be one-hot for a categorical loss, of shape "
            f"({axes}, {self.num_classes}); for integers, use "
            "`keras.losses.SparseCategoricalCrossentropy`. Received: y of "
            f"shape {tuple(shape)}"
        )

    def check_integers(
        self, labels: np.ndarray, ignored: int | None = None
    ) -> None:
        """Raises a `ValueError` for integers that are not classes."""
        check_sparse_shape(labels.shape, self.position_sizes)
        check_kind(labels)
        flat = labels.reshape(-1)
        flat = flat[flat != IGNORED]
        if self.position_sizes:
            flat = flat[flat != NO_LABEL]
        if ignored is not None:
            flat = flat[flat != ignored]
        if flat.dtype.kind == "f" and np.isnan(flat).any():
            raise ValueError(
                "`y` must hold an integer for each sample; for binary "
                "targets with missing labels, use `LabelMapper("
                "multi_label=True)`, which accepts NaN for a missing "
                "label. Received: labels of NaN"
            )
        check_labels(flat, self.num_classes)

    def valid(self, labels: Tensor, form: LabelFormat) -> Tensor | None:
        if not form.sparse:
            return None
        if not is_float(labels):
            labels = comparable(labels)
        valid = ops.logical_and(labels >= 0, labels < self.num_classes)
        if is_float(labels):
            is_integer = ops.equal(labels, ops.floor(labels))
            valid = ops.logical_and(valid, is_integer)
        if form.ignored is not None:
            valid = ops.logical_or(valid, ops.equal(labels, form.ignored))
        return valid

    def standardized(self, labels: np.ndarray, form: LabelFormat) -> np.ndarray:
        """Returns integers, with ignored labels replaced by `IGNORED`."""
        check_kind(labels)
        axes = len(self.position_sizes) + 1
        if labels.ndim == axes + 1 and not form.sparse:
            labels = one_hot_to_sparse(labels, self.num_classes)
        self.check_integers(labels, form.ignored)
        labels = labels.reshape(labels.shape[:axes])
        if form.ignored is None:
            return labels
        labels = labels.astype("int64")
        return np.where(labels == form.ignored, IGNORED, labels)


@dataclasses.dataclass(frozen=True)
class BinaryTargets(Targets):
    """Several independent binary targets for each sample or position.

    Args:
        num_classes: Integer. Number of targets, `T`.
        num_position_axes: Integer. Number of axes of positions. Defaults to
            `0`.
    """

    num_classes: int
    num_position_axes: int = 0

    @property
    def num_names(self) -> int:
        return self.num_classes

    @property
    def description(self) -> str:
        return "0, 1, or NaN for a missing label"

    def check_shape(self, shape: Shape, form: LabelFormat) -> None:
        if len(shape) == self.num_position_axes + 2 and shape[-1] in (
            self.num_classes,
            None,
        ):
            return
        axes = ", ".join(["samples", *["positions"] * self.num_position_axes])
        raise ValueError(
            "`y` must hold a label of 0 or 1 for each of the binary targets, "
            f"of shape ({axes}, {self.num_classes}). Received: y of shape "
            f"{tuple(shape)}"
        )

    def check(self, labels: np.ndarray, form: LabelFormat) -> None:
        check_kind(labels)
        self.check_shape(labels.shape, form)
        check_binary_labels(labels.reshape(-1, self.num_classes))

    def valid(self, labels: Tensor, form: LabelFormat) -> Tensor | None:
        if not is_float(labels):
            labels = comparable(labels)
        unknown = ops.not_equal(labels, labels)  # NaN
        is_binary = ops.logical_or(ops.equal(labels, 0), ops.equal(labels, 1))
        return ops.logical_or(is_binary, unknown)

    def standardized(self, labels: np.ndarray, form: LabelFormat) -> np.ndarray:
        check_kind(labels)
        self.check_shape(labels.shape, form)
        return labels


@dataclasses.dataclass(frozen=True)
class NumberTargets(Targets):
    """Numbers of the shape of the predictions.

    Args:
        shape: Tuple. Shape of a sample's targets, `None` for unknown sizes.
            Labels may omit a last axis of one target.
    """

    shape: Shape

    def check_shape(self, shape: Shape, form: LabelFormat) -> None:
        if form.sparse:
            raise ValueError(
                "Numbers are not classes: compile with a regression loss "
                'such as "mse". Received: a sparse categorical loss'
            )
        sizes = tuple(shape[1:])
        if self.shape[-1:] == (1,) and len(sizes) == len(self.shape) - 1:
            sizes = (*sizes, 1)
        if len(sizes) != len(self.shape) or any(
            None not in pair and pair[0] != pair[1]
            for pair in zip(sizes, self.shape)
        ):
            axes = ", ".join(str(size or "positions") for size in self.shape)
            hint = ""
            if len(sizes) < len(self.shape):
                hint = ONE_FOR_A_SAMPLE.get(len(self.shape), "")
            raise ValueError(
                f"`y` must hold numbers of shape (samples, {axes}). {hint}"
                f"Received: y of shape {tuple(shape)}"
            )

    def check(self, labels: np.ndarray, form: LabelFormat) -> None:
        self.check_shape(labels.shape, form)
        if labels.dtype.kind not in "iufb":
            raise ValueError(
                f"`y` must hold numbers. Received: y of dtype {labels.dtype}"
            )
        finite = np.isfinite(labels)
        if form.allows_missing:
            if (finite | np.isnan(labels)).all():
                return
            raise ValueError(
                "`y` must be finite, or NaN for missing targets. Received: "
                "targets with infinity"
            )
        if not finite.all():
            raise ValueError(
                "`y` must be finite; a loss of `keras_reprogram.losses` takes "
                "NaN for targets that are missing: `MaskedMeanSquaredError()`, "
                "`MaskedMeanAbsoluteError()`, or `PinballLoss(quantiles, "
                'missing_values="mask")`. Received: targets with NaN or '
                "infinity"
            )

    def valid(self, labels: Tensor, form: LabelFormat) -> Tensor | None:
        valid = super().valid(labels, form)
        if valid is None or not form.allows_missing:
            return valid
        return ops.logical_or(valid, ops.isnan(labels))


def check_sparse_shape(shape: Shape, sizes: Shape = ()) -> None:
    """Raises a `ValueError` unless each sample and position has a label.

    Args:
        shape: Tuple. The labels' shape with the batch axis.
        sizes: Tuple. Sizes of the axes of positions, `None` if unknown.
    """
    rank = len(sizes) + 1
    label_shape = tuple(shape[:-1] if len(shape) == rank + 1 else shape)
    if (
        len(label_shape) == rank
        and (len(shape) == rank or shape[-1] in (1, None))
        and all(
            None in pair or pair[0] == pair[1]
            for pair in zip(label_shape[1:], sizes)
        )
    ):
        return
    axes = ", ".join(["samples", *(str(size or "positions") for size in sizes)])
    if sizes and len(label_shape) == 1:
        raise ValueError(
            "`y` must hold a label for each position of the source's output, "
            f"of shape ({axes},). For one label per sample, average the "
            "positions of a backbone without pooling: use "
            "`keras_reprogram.sources.stage_features(backbone)`, or a "
            "`keras.Model` with `keras.layers.GlobalAveragePooling2D` (1D for "
            "tokens) at its end; the channels of series are positions too, "
            'without `SeriesReprogrammer(pooling="concatenate")`. Received: '
            f"y of shape {tuple(shape)}"
        )
    raise ValueError(
        "`y` must hold one integer label for each sample"
        f"{' and position of the output' * bool(sizes)}, of shape ({axes}"
        f"{',' * (not sizes)}); "
        "turn one-hot labels into integers by `argmax(axis=-1)`"
        f"{', and resize masks to that' * bool(sizes)}. Received: y of shape "
        f"{tuple(shape)}"
    )


def check_all_labeled(y: np.ndarray) -> None:
    """Raises a `ValueError` for missing labels that a loss does not ignore."""
    missing = np.count_nonzero(y == NO_LABEL)
    if missing:
        raise ValueError(
            "Missing labels of -1 at positions need a loss that ignores "
            "them: pass `keras.losses.SparseCategoricalCrossentropy("
            "ignore_class=-1)` to `compile`. Received: "
            f"{missing} of {y.size} labels that are -1"
        )


def check_kind(y: np.ndarray) -> None:
    """Raises a `ValueError` for labels that are not numbers."""
    if y.dtype.kind not in "biuf":
        raise ValueError(
            "`y` must hold numbers: convert class names to integers by "
            "`names, y = np.unique(y, return_inverse=True)`. Received: y of "
            f"dtype {y.dtype}"
        )


def warn_of_other_rows(labels: np.ndarray) -> None:
    """Warns of rows that are no probabilities of classes; 0 is no label."""
    if labels.ndim < 2 or not labels.size:
        return
    sums = labels.sum(axis=-1, dtype="float64")
    is_one = np.isclose(sums, 1, atol=0.01) | (sums == 0)
    if not is_one.all() or (labels < 0).any():
        warnings.warn(
            "Rows of `y` are no probabilities of classes, which add up to 1: "
            "for several labels at once pass `LabelMapper(multi_label=True)`, "
            "for numbers a `RegressionHead`. Received: rows that add up to "
            f"{sums.min():g} to {sums.max():g}",
            stacklevel=3,
        )


def one_hot_to_sparse(y: np.ndarray, num_classes: int) -> np.ndarray:
    """Converts the one-hot labels of categorical losses to integers.

    A row of zeros becomes `IGNORED`.
    """
    if not y.shape[-1] == num_classes > 1:
        return y
    return np.where(y.max(axis=-1) > 0, y.argmax(axis=-1), IGNORED)


def divided(y: Tensor, y_pred: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Divides targets and predictions `(batch, ..., T)` by their scale `[T]`.

    Targets may lack the axis of one target.
    """
    y, y_pred = ops.convert_to_tensor(y), ops.convert_to_tensor(y_pred)
    y = ops.cast(y, y_pred.dtype)
    if len(y.shape) == len(y_pred.shape) - 1:
        y = ops.expand_dims(y, -1)
    scale = ops.cast(scale, y_pred.dtype)
    return ops.divide(y, scale), ops.divide(y_pred, scale)
