"""Shapes that a data set of TensorFlow leaves open."""

import keras

from keras_reprogram.typing import Data
from keras_reprogram.typing import Tensor


def with_static_shape(x: Data, shape: tuple[int | None, ...]) -> Tensor:
    """A tensor whose sizes are known while a step is traced.

    TensorFlow's data sets of decoded files or of windows of a series know
    their sizes only as they run. Where the model knows them, the step checks
    them as it runs and takes them for known; other backends trace no step
    with sizes that are open.

    Args:
        x: A tensor, or anything else, which is returned as it is.
        shape: The model's own shape, batch included, `None` where it is open.
    """
    if keras.config.backend() != "tensorflow" or isinstance(
        x, keras.KerasTensor
    ):
        return x
    import tensorflow as tf

    if not isinstance(x, tf.Tensor):
        return x
    known = x.shape
    if known.rank is not None and known.rank != len(shape):
        return x  # Keras adds an axis of one by itself.
    if known.rank is None or any(
        size is None and wanted is not None
        for size, wanted in zip(known, shape)
    ):
        return tf.ensure_shape(x, shape)
    return x


def with_known_rank(y: Data, y_pred: Tensor, sparse: bool) -> Tensor:
    """Labels of as many axes as a loss compares with predictions.

    TensorFlow forgets the rank of labels where one step is traced for two of
    them, as `(batch,)` and `(batch, 1)`.

    Args:
        y: Labels.
        y_pred: Predictions.
        sparse: Whether labels are integers, without the axis of classes.
    """
    if keras.config.backend() != "tensorflow":
        return y
    import tensorflow as tf

    if not isinstance(y, tf.Tensor) or y.shape.rank is not None:
        return y
    axes = len(y_pred.shape) - int(sparse)
    y = tf.reshape(y, tf.shape(y_pred)[:axes])
    y.set_shape(y_pred.shape[:axes])
    return y
