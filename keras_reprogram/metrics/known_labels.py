"""Metrics for targets with missing labels."""

import math
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import number
from keras_reprogram.configurable import serializable
from keras_reprogram.losses.masked_binary_crossentropy import labels_of_shape
from keras_reprogram.typing import Tensor


@serializable
class KnownBinaryAccuracy(keras.metrics.Mean):
    """Binary accuracy over known labels.

    A label of NaN is unknown and is ignored. `"accuracy"` in `compile` would
    count it as wrong, and compare logits with 0.5.

    Example:

    ```python
    metric = keras_reprogram.metrics.KnownBinaryAccuracy()
    metric(np.array([[1.0, np.nan]]), np.array([[0.3, 5.0]]))  # 1.0
    ```

    Args:
        from_logits: Boolean. Whether predictions are logits instead of
            probabilities. Defaults to `True`.
        threshold: Float. Probability above which a label of 1 is predicted.
            Defaults to `0.5`.
        name: String. Name of the metric. Defaults to
            `"known_binary_accuracy"`.
        dtype: Dtype of the metric's result. Defaults to `None`, that is
            `keras.backend.floatx()`.

    Call arguments:
        y_true: Tensor of any shape. Labels of 0, 1 or NaN. A label outside
            0 to 1 makes the result NaN.
        y_pred: Tensor. Predictions of the same shape. NaN is never correct.
        sample_weight: Tensor. One weight for each sample, or for each label.
            Defaults to `None`.

    Raises:
        ValueError: If `threshold` is not between 0 and 1, or the shapes
            differ.
    """

    def __init__(
        self,
        from_logits: bool = True,
        threshold: float = 0.5,
        name: str = "known_binary_accuracy",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._direction = "up"
        self.from_logits = boolean("from_logits", from_logits)
        self.threshold = check_threshold(threshold)

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> None:
        y_pred = ops.cast(y_pred, "float32")
        labels, known = labels_of_shape(y_true, y_pred)
        threshold = self.threshold
        if self.from_logits:
            threshold = math.log(threshold / (1.0 - threshold))
        correct = ops.equal(y_pred > threshold, labels > 0.5)
        correct = ops.logical_and(correct, ops.logical_not(ops.isnan(y_pred)))
        # Adding 0 times the labels keeps the NaN of invalid ones.
        values = ops.cast(correct, "float32") + 0.0 * labels
        weights = weights_of_known(known, sample_weight)
        super().update_state(
            ops.reshape(values, [-1]), ops.reshape(weights, [-1])
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "threshold": self.threshold,
        }


@serializable
class KnownAccuracy(keras.metrics.Mean):
    """Accuracy over known classes.

    A label of `ignore_class` or NaN is unknown and is ignored. So is a one-hot
    row that is all zeros or contains NaN.

    Example:

    ```python
    metric = keras_reprogram.metrics.KnownAccuracy()
    metric(np.array([1, -1]), np.array([[0.0, 2.0], [3.0, 1.0]]))  # 1.0
    ```

    Args:
        ignore_class: Integer. The label of an unknown class, `None` if there
            is none. Defaults to `-1`.
        name: String. Name of the metric. Defaults to `"known_accuracy"`.
        dtype: Dtype of the metric's result. Defaults to `None`, that is
            `keras.backend.floatx()`.

    Call arguments:
        y_true: Tensor. Classes `(batch, ...)` or `(batch, ..., 1)`, or
            one-hot rows `(batch, ..., classes)`.
        y_pred: Tensor `(batch, ..., classes)`. Logits or probabilities. A row
            with NaN is never correct.
        sample_weight: Tensor. One weight for each sample, or for each label.
            Defaults to `None`.

    Raises:
        ValueError: If `ignore_class` is not an integer, or the shapes are not
            compatible.
    """

    def __init__(
        self,
        ignore_class: int | None = -1,
        name: str = "known_accuracy",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._direction = "up"
        check_ignore_class(ignore_class)
        self.ignore_class = integer(ignore_class)

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> None:
        y_pred = ops.cast(y_pred, "float32")
        labels, known = classes_of_shape(ops.convert_to_tensor(y_true), y_pred)
        if self.ignore_class is not None:
            known = ops.logical_and(known, labels != self.ignore_class)
        predicted = ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        correct = ops.logical_and(
            ops.equal(predicted, labels),
            ops.logical_not(ops.any(ops.isnan(y_pred), axis=-1)),
        )
        weights = weights_of_known(known, sample_weight)
        super().update_state(
            ops.reshape(ops.cast(correct, "float32"), [-1]),
            ops.reshape(weights, [-1]),
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ignore_class": self.ignore_class}


@serializable
class KnownAUC(keras.metrics.AUC):
    """Area under a curve over known binary labels.

    The metric is `keras.metrics.AUC` over all labels that are not NaN. With
    `multi_label=True`, it is the mean of the areas of the targets, without
    those whose known labels are all equal: they have no area.

    Example:

    ```python
    metric = keras_reprogram.metrics.KnownAUC()
    y_true = np.array([[0.0, 1.0], [np.nan, 0.0], [1.0, np.nan]])
    y_pred = np.array([[-1.0, 2.0], [4.0, 1.0], [3.0, -3.0]])
    metric(y_true, y_pred)  # 1.0
    ```

    Args:
        from_logits: Boolean. Whether predictions are logits instead of
            probabilities. Defaults to `True`.
        name: String. Name of the metric. Defaults to `"known_auc"`.
        **kwargs: Keyword arguments of `keras.metrics.AUC`. Pass more than the
            200 `num_thresholds` if probabilities are close to each other, as
            for rare labels.

    Call arguments:
        y_true: Tensor of any shape, `(batch, targets)` with
            `multi_label=True`. Labels of 0, 1 or NaN. A label outside 0 to 1
            makes the result NaN.
        y_pred: Tensor. Predictions of the same shape. NaN for a known label
            makes the result NaN.
        sample_weight: Tensor. One weight for each sample, or for each label.
            Defaults to `None`.

    Raises:
        ValueError: If the shapes differ, or as `keras.metrics.AUC` does.
    """

    label_weights: Tensor

    def __init__(
        self,
        from_logits: bool = True,
        name: str = "known_auc",
        **kwargs: Any,
    ) -> None:
        from_logits = boolean("from_logits", from_logits)
        super().__init__(from_logits=from_logits, name=name, **kwargs)
        self._direction = "up"

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> None:
        y_pred = ops.cast(y_pred, "float32")
        labels, known = labels_of_shape(y_true, y_pred)
        weights = weights_of_known(known, sample_weight)
        # Keras treats a NaN label as 1 and accepts NaN predictions.
        is_nan = ops.isnan(labels + y_pred)
        is_invalid = ops.logical_and(known, is_nan)
        weights = ops.where(
            is_invalid, ops.full_like(weights, math.nan), weights
        )
        labels = ops.cast(labels > 0.5, "float32")
        y_pred = ops.where(is_nan, ops.zeros_like(y_pred), y_pred)
        super().update_state(labels, y_pred, weights)

    def result(self) -> Tensor:
        if not self.multi_label:
            return super().result()
        # A target with one kind of label has no area and gets no weight.
        label_weights: Tensor = self.label_weights
        positives = self.true_positives[0] + self.false_negatives[0]
        negatives = self.false_positives[0] + self.true_negatives[0]
        is_constant = ops.logical_or(positives == 0.0, negatives == 0.0)
        weights = label_weights
        if weights is None:
            weights = ops.ones_like(positives)
        self.label_weights = ops.where(is_constant, 0.0, weights)
        try:
            return super().result()
        finally:
            self.label_weights = label_weights

    def get_config(self) -> dict[str, Any]:
        weights = self.label_weights
        if weights is not None:
            weights = ops.convert_to_numpy(weights).tolist()
        return {**super().get_config(), "label_weights": weights}


def check_threshold(threshold: object) -> float:
    """Returns a probability above 0 and below 1, or raises a `ValueError`."""
    value = number("threshold", threshold, 0, 1)
    if value in (0.0, 1.0):
        raise ValueError(
            "`threshold` must be a probability above 0 and below 1, for "
            f"logits too. Received: threshold={threshold!r}"
        )
    return value


def check_ignore_class(ignore_class: object) -> None:
    """Raises a `ValueError` unless this is an integer or `None`."""
    if ignore_class is not None and integer(ignore_class) is None:
        raise ValueError(
            "`ignore_class` must be an integer or `None`. Received: "
            f"ignore_class={ignore_class!r}"
        )


def classes_of_shape(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Returns classes in the shape of predictions, and which are known."""
    true_shape, shape = tuple(y_true.shape), tuple(y_pred.shape)
    one_hot = len(true_shape) == len(shape) and true_shape[-1] == shape[-1]
    sparse_shape = true_shape
    if len(true_shape) == len(shape) and true_shape[-1:] == (1,):
        sparse_shape = true_shape[:-1]
    pairs = zip(shape if one_hot else shape[:-1], sparse_shape)
    if (
        len(shape) < 2
        or shape[-1] == 1
        or not (one_hot or len(sparse_shape) == len(shape) - 1)
        or any(None not in pair and pair[0] != pair[1] for pair in pairs)
    ):
        raise ValueError(
            "Predictions must have two classes or more, (batch, ..., classes), "
            "and labels must be classes, (batch, ...), or one-hot rows; for a "
            "binary target use `KnownBinaryAccuracy`. Received: labels of "
            f"shape {true_shape} and predictions of shape {shape}"
        )
    floating = "float" in keras.backend.standardize_dtype(y_true.dtype)
    missing = ops.zeros_like(y_true, dtype="bool")
    if floating:
        missing = ops.isnan(y_true)
        y_true = ops.where(missing, ops.zeros_like(y_true), y_true)
    if one_hot:
        known = ops.logical_and(
            ops.logical_not(ops.any(missing, axis=-1)),
            ops.any(y_true > 0, axis=-1),
        )
        return ops.cast(ops.argmax(y_true, axis=-1), "int32"), known
    if sparse_shape != true_shape:
        y_true, missing = ops.squeeze(y_true, -1), ops.squeeze(missing, -1)
    return ops.cast(y_true, "int32"), ops.logical_not(missing)


def weights_of_known(known: Tensor, sample_weight: Tensor) -> Tensor:
    """Returns the weight of each label, 0 for unknown labels."""
    weights = ops.cast(known, "float32")
    if sample_weight is None:
        return weights
    sample_weight = ops.cast(sample_weight, "float32")
    rank = len(known.shape)
    shape = tuple(sample_weight.shape)
    if len(shape) == rank + 1 and shape[-1] == 1:
        sample_weight, shape = ops.squeeze(sample_weight, -1), shape[:-1]
    pairs = zip(shape, known.shape)
    if len(shape) > rank or any(
        None not in pair and pair[0] not in (1, pair[1]) for pair in pairs
    ):
        raise ValueError(
            "`sample_weight` must hold one weight for each sample or for each "
            f"label. Received: weights of shape {shape} for "
            f"labels of shape {tuple(known.shape)}"
        )
    for _ in range(rank - len(shape) if shape else 0):
        sample_weight = ops.expand_dims(sample_weight, -1)
    return weights * sample_weight
