"""Accuracies in which a rare class counts as much as a frequent one."""

import math
from typing import Any

import keras
from keras import ops

from keras_reprogram.configurable import boolean
from keras_reprogram.configurable import integer
from keras_reprogram.configurable import positive_integer
from keras_reprogram.configurable import serializable
from keras_reprogram.losses.masked_binary_crossentropy import labels_of_shape
from keras_reprogram.metrics.known_labels import check_ignore_class
from keras_reprogram.metrics.known_labels import check_threshold
from keras_reprogram.metrics.known_labels import classes_of_shape
from keras_reprogram.metrics.known_labels import weights_of_known
from keras_reprogram.typing import Tensor


class MeanRecall(keras.metrics.Metric):
    """Base class: the mean of recalls, from sums over all batches.

    Args:
        shape: Tuple. Shape of the recalls. A mean is over its first axis,
            without classes that have no label, then over the others.
        **kwargs: Keyword arguments of `keras.metrics.Metric`.
    """

    def __init__(self, shape: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._direction = "up"
        self.correct, self.total = (
            self.add_variable(shape, "zeros", dtype="float32", name=name)
            for name in ("correct", "total")
        )

    def add(self, is_class: Tensor, correct: Tensor, weights: Tensor) -> None:
        """Adds labels to the sums.

        Args:
            is_class: Tensor `(N, *shape)`. Whether a label is of a class.
            correct: Tensor that broadcasts to it. Whether it is predicted.
            weights: Tensor that broadcasts to it. Its weight.
        """
        counts = ops.multiply(ops.cast(is_class, "float32"), weights)
        found = ops.multiply(counts, ops.cast(correct, "float32"))
        self.correct.assign(ops.add(self.correct, ops.sum(found, axis=0)))
        self.total.assign(ops.add(self.total, ops.sum(counts, axis=0)))

    def result(self) -> Tensor:
        recalls = ops.divide_no_nan(self.correct, self.total)
        present = ops.cast(ops.not_equal(self.total, 0.0), "float32")
        numbers = ops.sum(present, axis=0)
        means = ops.divide_no_nan(ops.sum(recalls, axis=0), numbers)
        is_known = ops.cast(ops.greater(numbers, 0.0), "float32")
        result = ops.divide_no_nan(ops.sum(means), ops.sum(is_known))
        return ops.cast(result, self.dtype)


@serializable
class BalancedAccuracy(MeanRecall):
    """Mean over classes of the share of their samples that is correct.

    ```
    balanced accuracy = mean over classes of (correct_class / samples_class)
    ```

    Classes without samples are left out. A prediction of the most frequent
    class alone has `1 / classes`, while its accuracy is that class's share.

    Example:

    ```python
    metric = keras_reprogram.metrics.BalancedAccuracy(num_classes=2)
    metric(np.array([0, 0, 0, 1]), np.array([[1.0, 0.0]] * 4))  # 0.5
    ```

    Args:
        num_classes: Integer. Number of classes.
        ignore_class: Integer. The label of an unknown class, `None` if there
            is none. Defaults to `-1`.
        name: String. Name of the metric. Defaults to `"balanced_accuracy"`.
        dtype: Dtype of the metric's result. Defaults to `None`, that is
            `keras.backend.floatx()`.

    Call arguments:
        y_true: As for `KnownAccuracy`.
        y_pred: As for `KnownAccuracy`.
        sample_weight: As for `KnownAccuracy`.

    Raises:
        ValueError: If an argument is not an integer, or the shapes are not
            compatible.
    """

    def __init__(
        self,
        num_classes: int,
        ignore_class: int | None = -1,
        name: str = "balanced_accuracy",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        num_classes = positive_integer("num_classes", num_classes)
        super().__init__((num_classes,), name=name, dtype=dtype)
        self.num_classes = num_classes
        check_ignore_class(ignore_class)
        self.ignore_class = integer(ignore_class)

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> None:
        y_pred = ops.cast(y_pred, "float32")
        if y_pred.shape[-1] != self.num_classes:
            raise ValueError(
                f"Predictions must have num_classes={self.num_classes} "
                f"classes. Received: y_pred of shape {tuple(y_pred.shape)}"
            )
        labels, known = classes_of_shape(ops.convert_to_tensor(y_true), y_pred)
        if self.ignore_class is not None:
            known = ops.logical_and(known, labels != self.ignore_class)
        correct = ops.logical_and(
            ops.equal(ops.cast(ops.argmax(y_pred, axis=-1), "int32"), labels),
            ops.logical_not(ops.any(ops.isnan(y_pred), axis=-1)),
        )
        labels, correct, weights = (
            ops.reshape(values, (-1, 1))
            for values in (
                labels,
                correct,
                weights_of_known(known, sample_weight),
            )
        )
        classes = ops.arange(self.num_classes, dtype="int32")
        self.add(ops.equal(labels, classes), correct, weights)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "ignore_class": self.ignore_class,
        }


@serializable
class BalancedBinaryAccuracy(MeanRecall):
    """Mean share of zeros and of ones that is correct, over binary targets.

    A label of NaN is unknown and is ignored. A target whose known labels are
    all equal has the share of these alone; one without labels is left out.

    Example:

    ```python
    metric = keras_reprogram.metrics.BalancedBinaryAccuracy(num_targets=1)
    labels = np.array([[0.0], [0.0], [1.0], [np.nan]])
    metric(labels, np.array([[-1.0], [2.0], [1.0], [5.0]]))  # 0.75
    ```

    Args:
        num_targets: Integer. Number of binary targets.
        from_logits: Boolean. Whether predictions are logits instead of
            probabilities. Defaults to `True`.
        threshold: Float. Probability above which a label of 1 is predicted.
            Defaults to `0.5`.
        name: String. Name of the metric. Defaults to
            `"balanced_binary_accuracy"`.
        dtype: Dtype of the metric's result. Defaults to `None`, that is
            `keras.backend.floatx()`.

    Call arguments:
        y_true: Tensor `(batch, ..., targets)`. Labels of 0, 1 or NaN.
        y_pred: Tensor. Predictions of the same shape. NaN is never correct.
        sample_weight: Tensor. One weight for each sample, or for each label.
            Defaults to `None`.

    Raises:
        ValueError: If `threshold` is not between 0 and 1, or the shapes are
            not compatible.
    """

    def __init__(
        self,
        num_targets: int,
        from_logits: bool = True,
        threshold: float = 0.5,
        name: str = "balanced_binary_accuracy",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        num_targets = positive_integer("num_targets", num_targets)
        super().__init__((2, num_targets), name=name, dtype=dtype)
        self.num_targets = num_targets
        self.from_logits = boolean("from_logits", from_logits)
        self.threshold = check_threshold(threshold)

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> None:
        y_pred = ops.cast(y_pred, "float32")
        if y_pred.shape[-1] != self.num_targets:
            raise ValueError(
                f"Predictions must have num_targets={self.num_targets} binary "
                f"targets. Received: y_pred of shape {tuple(y_pred.shape)}"
            )
        labels, known = labels_of_shape(y_true, y_pred)
        threshold = self.threshold
        if self.from_logits:
            threshold = math.log(threshold / (1.0 - threshold))
        is_one = labels > 0.5
        correct = ops.logical_and(
            ops.equal(y_pred > threshold, is_one),
            ops.logical_not(ops.isnan(y_pred)),
        )
        is_one, correct, weights = (
            ops.reshape(values, (-1, 1, self.num_targets))
            for values in (
                is_one,
                correct,
                # The NaN of invalid labels.
                weights_of_known(known, sample_weight) + 0.0 * labels,
            )
        )
        is_class = ops.concatenate([ops.logical_not(is_one), is_one], axis=1)
        self.add(is_class, correct, weights)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_targets": self.num_targets,
            "from_logits": self.from_logits,
            "threshold": self.threshold,
        }
