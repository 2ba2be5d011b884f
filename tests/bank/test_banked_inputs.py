import keras
import numpy as np
from banks import assert_answers
from banks import mixed

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ProgramBank
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import Tile


def test_a_waveform_has_no_channels():
    inputs = keras.Input((12,))
    source = keras.Model(inputs, keras.layers.Dense(6)(inputs))
    tasks = {}
    for name, length, placement in (
        ("short", 5, "pad"),
        ("long", 20, "resize"),
        ("copied", 3, Tile(2)),
    ):
        end = InputReprogrammer(
            target_shape=(length,), placement=placement, value_range=(-1, 1)
        )
        tasks[name] = ReprogrammedModel(source, end, LabelMapper(2, "random"))
        tasks[name].input_reprogrammer.weights[0].assign(
            np.random.default_rng(0).normal(
                size=tasks[name].input_reprogrammer.weights[0].shape
            )
        )
    bank = ProgramBank(source, (20,), 2)
    bank.add(tasks)
    assert_answers(bank, *mixed(tasks))
