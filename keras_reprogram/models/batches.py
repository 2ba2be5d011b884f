"""Data of any kind that `fit` takes, as batches of NumPy arrays."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

Batch = tuple[np.ndarray, np.ndarray | None]


def is_array(data: Any) -> bool:
    return hasattr(data, "shape") and hasattr(data, "dtype")


def only_item(data: Any) -> Any:
    """What a list, a tuple or a dictionary of one holds, as Keras takes it."""
    if isinstance(data, dict) and len(data) == 1:
        return next(iter(data.values()))
    if isinstance(data, (list, tuple)) and len(data) == 1:
        # A list of one batch is a data set of one batch.
        return data if isinstance(data[0], (list, tuple)) else data[0]
    return data


def is_reiterable(data: Any) -> bool:
    """Whether a pass over the data leaves it whole for the next one."""
    return not isinstance(data, Iterator)


def number_of_batches(x: Any, batch_size: int) -> int | None:
    """Number of batches of one pass, or `None` where it is not known."""
    if is_array(x):
        return -(-len(x) // batch_size)
    length = getattr(x, "num_batches", None) or getattr(x, "__len__", None)
    try:
        return length() if callable(length) else length
    except TypeError:  # a TensorFlow data set of unknown or endless length
        return None


def iterate(
    x: Any,
    y: Any = None,
    batch_size: int = 32,
    steps: int | None = None,
    seed: int = 0,
) -> Iterator[Batch]:
    """Yields samples and labels, batch by batch.

    Args:
        x: Arrays or tensors of samples; or a `tf.data.Dataset`, a
            `keras.utils.PyDataset`, a PyTorch `DataLoader` or another
            iterable of batches `(x, y)` or `(x, y, sample_weight)`.
        y: Labels, where `x` is an array.
        batch_size: Samples of a batch, where `x` is an array.
        steps: Number of batches after which to stop. An array that is longer
            is drawn from at random, so that ordered data are seen evenly.
        seed: Seed of that draw.

    Yields:
        Pairs of samples and labels as NumPy arrays.
    """
    if is_array(x):
        order = np.arange(len(x))
        if steps is not None and steps * batch_size < len(x):
            draw = np.random.default_rng(seed).permutation(len(x))
            order = np.sort(draw[: steps * batch_size])
        samples, labels = to_numpy(x), to_numpy(y)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield samples[rows], None if labels is None else labels[rows]
        return
    batches = x
    if isinstance(x, keras.utils.PyDataset):
        length = number_of_batches(x, batch_size)
        indices = itertools.count() if length is None else range(length)
        batches = (x[index] for index in indices)
    for step, batch in enumerate(batches):
        if step == steps:
            return
        if isinstance(batch, (tuple, list)):
            samples, labels, _ = keras.utils.unpack_x_y_sample_weight(
                tuple(batch)
            )
        else:
            samples, labels = batch, None
        yield to_numpy(samples), to_numpy(labels)


def to_numpy(data: Any) -> np.ndarray | None:
    if data is None or isinstance(data, np.ndarray):
        return data
    if hasattr(data, "detach"):  # a tensor of PyTorch, perhaps on a device
        data = data.detach().cpu()
        # NumPy has no bfloat16.
        data = data.float() if "bfloat16" in str(data.dtype) else data
    array = np.asarray(data)
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
