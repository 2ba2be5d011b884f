import keras
import numpy as np
import pytest
from banks import assert_answers
from banks import bank_of
from banks import mixed

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ProgramBank
from keras_reprogram import ReprogrammedModel
from keras_reprogram import methods


def test_a_source_of_probabilities(bright_quadrants):
    inputs = keras.Input((8, 8, 1))
    outputs = keras.layers.Dense(6, activation="softmax")(
        keras.layers.Flatten()(inputs / 255)
    )
    source = keras.Model(inputs, outputs)
    tasks = {
        mapping: ReprogrammedModel(
            source,
            InputReprogrammer(target_shape=(8, 8, 1)),
            LabelMapper(3, mapping),
        )
        for mapping in ("linear", "random")
    }
    tasks["linear"].adapt(*bright_quadrants, verbose=0)
    bank = ProgramBank(source, (8, 8, 1), 3)
    bank.add(tasks)
    assert_answers(bank, *mixed(tasks))


def test_a_map_with_a_computation_of_its_own_is_its_matrix(twelve_classes):
    attributes = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    model = methods.rvp(
        twelve_classes, attributes, target_shape=(4, 4, 1), inner_size=6
    )
    generator = np.random.default_rng(0)
    for variable in model.label_mapper.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    bank = bank_of(twelve_classes, {"rvp": model}, capacity=2)
    assert_answers(bank, *mixed({"rvp": model}))
    selecting = bank_of(twelve_classes, {}, sources_per_target=4)
    with pytest.raises(ValueError, match="that is a matrix"):
        selecting.add({"rvp": model})
