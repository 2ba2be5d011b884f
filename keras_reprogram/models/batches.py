"""Data of any kind that `fit` takes, as batches of NumPy arrays."""

import itertools
from collections.abc import Generator
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_reprogram.typing import Data

Batch = tuple[Any, np.ndarray | None, np.ndarray | None]

# What TensorFlow says of a data set that does not end.
ENDLESS = -1
# Batches that are read of a stream of unknown length, for each that is wanted.
LONGEST_STREAM = 100


def is_array(data: Data) -> bool:
    return hasattr(data, "shape") and hasattr(data, "dtype")


def is_table(data: Data) -> bool:
    """Whether this is a `DataFrame` or another table, as of pandas."""
    return hasattr(data, "to_numpy") and hasattr(data, "columns")


def unwrap_single(data: Data) -> Data:
    """What a list, a tuple or a dictionary of one holds, as Keras takes it.

    A table, and a column of one, is the array of its values.
    """
    if isinstance(data, dict) and len(data) == 1:
        return unwrap_single(next(iter(data.values())))
    if isinstance(data, (list, tuple)) and len(data) == 1:
        # A list of one batch is a data set of one batch.
        held = data[0]
        return data if isinstance(held, (list, tuple)) else unwrap_single(held)
    if is_table(data) or type(data).__module__.startswith("pandas."):
        return data.to_numpy()
    return data


def is_endless(data: Data) -> bool:
    """Whether a data set is known not to end."""
    if isinstance(data, keras.utils.PyDataset):
        return data.num_batches is None
    cardinality = getattr(data, "cardinality", None)  # of TensorFlow
    return callable(cardinality) and int(cardinality()) == ENDLESS


def is_reiterable(data: Data) -> bool:
    """Whether a pass over the data leaves it whole for the next one."""
    # The iterators of Keras's `ImageDataGenerator` are data sets all the same.
    return isinstance(data, keras.utils.PyDataset) or not isinstance(
        data, Iterator
    )


def number_of_batches(x: Data, batch_size: int) -> int | None:
    """Number of batches of one pass, or `None` where it is not known."""
    if is_array(x):
        return -(-len(x) // batch_size)
    length = getattr(x, "num_batches", None) or getattr(x, "__len__", None)
    try:
        length = length() if callable(length) else length
        # Of TensorFlow, a tensor.
        return None if length is None else int(length)
    except TypeError:  # a TensorFlow data set of unknown or endless length
        return None


def iterate(
    x: Data,
    y: Data = None,
    batch_size: int = 32,
    steps: int | None = None,
    seed: int = 0,
    sample_weight: Data = None,
    longest: int | None = None,
) -> Iterator[Batch]:
    """Yields samples, labels and sample weights, batch by batch.

    Args:
        x: Arrays or tensors of samples; or a `tf.data.Dataset`, a
            `keras.utils.PyDataset`, a PyTorch `DataLoader` or another
            iterable of batches `(x, y)` or `(x, y, sample_weight)`.
        y: Labels, where `x` is an array.
        batch_size: Samples of a batch, where `x` is an array.
        steps: Number of batches to take, or `None` for all. Of an array that
            is longer samples are drawn at random, and of a data set batches
            are taken at even distances: ordered data are seen evenly.
        seed: Seed of that draw.
        sample_weight: Weights of the samples, where `x` is an array.
        longest: Most batches to read of a data set whose length is not known.
            Defaults to 100 times `steps`.

    Yields:
        Samples, labels and weights as NumPy arrays, or `None`.
    """
    if is_array(x):
        order = np.arange(len(x))
        if steps is not None and steps * batch_size < len(x):
            draw = np.random.default_rng(seed).permutation(len(x))
            order = np.sort(draw[: steps * batch_size])
        arrays = [
            None if data is None else to_numpy(data)
            for data in (x, y, sample_weight)
        ]
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            samples, labels, weights = (
                None if array is None else array[rows] for array in arrays
            )
            yield samples, labels, weights
        return
    for batch in chosen_batches(x, batch_size, steps, longest):
        if isinstance(batch, (tuple, list)):
            parts = keras.utils.unpack_x_y_sample_weight(tuple(batch))
        else:
            parts = batch, None, None
        samples, labels, weights = map(unwrap_single, parts)
        if isinstance(samples, (dict, list, tuple)):
            samples = keras.tree.map_structure(to_numpy, samples)
        else:
            samples = to_numpy(samples)
        yield (
            samples,
            None if labels is None else to_numpy(labels),
            None if weights is None else to_numpy(weights),
        )


def chosen_batches(
    data: Data, batch_size: int, steps: int | None, longest: int | None
) -> Iterator[Any]:
    """The batches of a data set, or `steps` of them at even distances."""
    length = number_of_batches(data, batch_size)
    if longest is not None and length is not None:
        length = min(length, longest)
    if length is None and steps is not None and is_reiterable(data):
        longest = longest or LONGEST_STREAM * steps
        length = sum(1 for _ in itertools.islice(batches_of(data), longest))
    if length is None:
        yield from itertools.islice(batches_of(data), steps or longest)
        return
    indices = np.arange(length)
    if steps is not None and steps < length:
        indices = np.linspace(0, length - 1, steps).round().astype(int)
    if isinstance(data, keras.utils.PyDataset):
        yield from (data[int(index)] for index in indices)
        return
    wanted = set(indices.tolist())
    for index, batch in enumerate(itertools.islice(batches_of(data), length)):
        if index in wanted:
            yield batch


def batches_of(data: Data) -> Iterator[Any]:
    if not isinstance(data, keras.utils.PyDataset):
        return iter(data)
    length = number_of_batches(data, 1)
    indices = itertools.count() if length is None else range(length)
    return (data[index] for index in indices)


def replayed(
    generator: Iterator[Any], count: int
) -> tuple[list[Any], Generator[Any, None, None]]:
    """The first batches of a generator, and one that still has them all."""
    first = list(itertools.islice(generator, count))

    def whole() -> Generator[Any, None, None]:
        yield from first
        first.clear()
        yield from generator

    return list(first), whole()


def with_first_batch(data: Data) -> tuple[Any, Data]:
    """Returns the first batch of a data set, and one that still has it.

    The batch is `None` if there is none.
    """
    if is_reiterable(data):
        return next(iterate(data, longest=1), None), data
    held, data = replayed(data, 1)
    return next(iterate(held), None), data


def to_numpy(data: Data) -> np.ndarray:
    """Returns an array or a tensor of any backend and device as an array."""
    if isinstance(data, np.ndarray):
        return data
    if hasattr(data, "detach"):  # a tensor of PyTorch, perhaps on a device
        data = data.detach().cpu()
        # NumPy has no bfloat16.
        data = data.float() if "bfloat16" in str(data.dtype) else data
    array: np.ndarray = np.asarray(data)
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
