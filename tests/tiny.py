"""Small reprogrammed models shared by the tests of this folder."""

import itertools

import keras
import numpy as np

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel


def reprogrammed(source, mapping="linear", compiled=True, **kwargs):
    model = ReprogrammedModel(
        source,
        InputReprogrammer((4, 4, 1), placement="pad", **kwargs),
        LabelMapper(3, mapping),
    )
    if compiled:
        model.compile(
            keras.optimizers.Adam(0.05),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
    return model


class Sequence(keras.utils.PyDataset):
    def __init__(self, images, labels):
        super().__init__()
        self.data = images, labels

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = slice(8 * index, 8 * index + 8)
        return tuple(array[rows] for array in self.data)


class Sorted(keras.utils.PyDataset):
    """Thirty batches, sorted by class."""

    def __init__(self):
        super().__init__()
        self.read = []

    def __len__(self):
        return 30

    def __getitem__(self, index):
        self.read.append(index)
        label = np.full(2, index // 10)
        return np.eye(4, dtype="float32")[label], label


class Stream:
    """The same, of a length that is not known, or without an end."""

    def __init__(self, endless=False):
        self.endless = endless

    def __iter__(self):
        data = Sorted()
        indices = itertools.count() if self.endless else range(30)
        return (data[index % 30] for index in indices)


def probe(source, mapping="linear", compiled=True, **settings):
    settings = {"pattern": None, "scale": 1.0, **settings}
    model = ReprogrammedModel(
        source,
        InputReprogrammer((8, 8, 1), **settings),
        LabelMapper(3, mapping),
    )
    if compiled:
        model.compile(
            keras.optimizers.Adam(0.01),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
    return model


def learned(model):
    return [
        keras.ops.convert_to_numpy(variable.value)
        for variable in model.program_variables
    ]
