"""Samples of many programs in batches of one shape."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.typing import FixedShape


class Entry(NamedTuple):
    """A program of a bank.

    Attributes:
        row: Integer. Its row in the tables.
        num_classes: Integer. Number of its target classes.
        sample_shape: Tuple of integers. Shape of its samples, without the
            batch axis.
        class_names: Tuple of strings, or `None`. Names of its classes.
    """

    row: int
    num_classes: int
    sample_shape: FixedShape
    class_names: tuple[str, ...] | None = None


def entry_of(
    row: int,
    num_classes: int,
    sample_shape: Sequence[int],
    class_names: Sequence[str] | None = None,
) -> Entry:
    """Returns an `Entry` from the lists of a config."""
    names = None if class_names is None else tuple(class_names)
    return Entry(row, num_classes, tuple(sample_shape), names)


def padded_batch(
    samples: Sequence[np.ndarray],
    entries: Sequence[Entry],
    rows: Sequence[int],
    batch_size: int,
    shape: FixedShape,
    axes: Axes,
) -> dict[str, np.ndarray]:
    """Returns some samples padded to one shape, with their programs.

    Args:
        samples: Sequence of arrays without a batch axis.
        entries: Sequence of the program of each sample.
        rows: Sequence of integers. Indices of the samples to take.
        batch_size: Integer. Size of the batch, at least the number of `rows`;
            what is left is empty.
        shape: Tuple of integers. The shape that samples are padded to.
        axes: `Axes` of that shape.

    Raises:
        ValueError: If a sample is not of its program's shape.
    """
    padded = np.zeros((batch_size, *shape), "float32")
    programs = np.full(batch_size, entries[rows[0]].row, "int32")
    for position, index in enumerate(rows):
        sample, expected = (
            np.asarray(samples[index]),
            entries[index].sample_shape,
        )
        if sample.shape != expected:
            raise ValueError(
                f"Sample {index} must have the shape of its program's samples, "
                f"{expected}. Received: shape {sample.shape}"
            )
        room = [slice(size) for size in expected]
        if axes.channel is not None:
            room[axes.channel] = slice(None)  # gray for every channel
        padded[position][tuple(room)] = sample
        programs[position] = entries[index].row
    return {"samples": padded, "programs": programs}
