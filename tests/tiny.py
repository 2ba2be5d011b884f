"""Small reprogrammed models shared by the tests of this folder."""

import keras

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
