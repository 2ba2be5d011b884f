import keras
import numpy as np
import pytest

import keras_reprogram
from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.models.summary import program_summary
from keras_reprogram.outputs import LinearMapping

pytestmark = pytest.mark.numpy_alone


def source(name):
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(6)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, outputs, name=name)


@pytest.fixture
def model():
    return ReprogrammedModel(
        source("pretrained"),
        InputReprogrammer(
            (4, 4, 1),
            placement=Pad(6),
            pattern=UniversalPattern("outside", activation="sigmoid"),
        ),
        LabelMapper(2),
    )


def test_a_summary_describes_the_source_and_the_program(model):
    assert program_summary(model, 100).split("\n") == [
        " Source: pretrained (Functional), 1,158 parameters, frozen",
        " Input: InputReprogrammer, 84 trained parameters",
        "   placement: Pad(inner_size=6)",
        "   pattern: UniversalPattern(region=Outside(), activation='sigmoid'), "
        "84 trained parameters",
        " Output: LabelMapper, 14 trained parameters",
        "   mapping: LinearMapping()",
        "   not found yet: call `adapt` or `fit`",
    ]
    model.adapt(np.full((4, 4, 4, 1), 99), np.arange(4) % 2, verbose=0)
    assert "not found yet" not in program_summary(model)


@pytest.mark.parametrize(
    "settings", [{}, {"expand_nested": True, "show_trainable": True}]
)
def test_the_lines_come_after_the_table_of_keras(model, settings, capsys):
    model.summary(line_length=60, **settings)
    found = capsys.readouterr().out
    assert found.endswith(program_summary(model, 60) + "\n")
    assert found.index("Total params") < found.index(" Source: ")
    assert max(map(len, found.split("\n"))) <= 60
    printed = []
    model.summary(60, print_fn=printed.append, **settings)
    assert "\n".join(printed).count("Total params") == 1
    assert printed[-1] == program_summary(model, 60)
    assert capsys.readouterr().out == ""


def test_every_joined_source_and_its_transformation_is_described():
    model = ReprogrammedModel(
        [source("first"), source("second")],
        [InputReprogrammer((8, 8, 3), pattern=None) for _ in range(2)],
        LabelMapper(3, LinearMapping(trainable=False)),
    )
    text = program_summary(model, 80)
    assert "first (Functional)" in text and "second (Functional)" in text
    assert text.count("transformation: InputReprogrammer") == 2
    assert "pattern" not in text and "trained" not in text.split("mapping")[0]


def test_trained_layers_of_a_source_are_counted():
    model = ReprogrammedModel(
        source("pretrained"),
        InputReprogrammer((8, 8, 3)),
        keras_reprogram.RegressionHead(),
        trainable_source_layers=1,
    )
    text = program_summary(model, 80)
    assert "1,158 parameters, 1,158 of them trained" in text
