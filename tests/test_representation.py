import dataclasses

import keras
import numpy as np
import pytest

import keras_reprogram
from keras_reprogram import configurable
from keras_reprogram.inputs import AveragedViews
from keras_reprogram.inputs import ChannelConcatenation
from keras_reprogram.inputs import Frame
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import Outside
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.outputs import CrossValidation
from keras_reprogram.outputs import FixedMapping
from keras_reprogram.outputs import LinearMapping
from keras_reprogram.outputs import SemanticMapping
from keras_reprogram.outputs import Solution
from keras_reprogram.representation import constructor_call

pytestmark = pytest.mark.numpy_alone

# What constructors need.
ARGUMENTS = {
    "AttributeMapping": ([[[0, 1, 2], [1, 2, 3]]],),
    "BalancedAccuracy": (2,),
    "BalancedBinaryAccuracy": (2,),
    "Bounded": (0.0, 1.0),
    "Cosine": (4,),
    "CosineDecayOverFit": (0.1,),
    "FixedMapping": (None, [[0], [1, 2]]),
    "FixedTokens": ([1, 2],),
    "Frame": (3,),
    "Grid": (4,),
    "LowRank": (2,),
    "MaskToken": (3,),
    "Patch": (3,),
    "PinballLoss": ([0.25, 0.5],),
    "PowerDecay": (0.1,),
    "SemanticMapping": ([[1.0, 0.0]], [[1.0, 0.0]]),
}
CLASSES = [
    name
    for name, cls in sorted(configurable.REGISTERED.items())
    if not issubclass(cls, (keras.layers.Layer, keras.Metric))
]


@pytest.mark.parametrize("name", CLASSES)
def test_every_small_object_is_the_call_that_makes_it(name):
    instance = configurable.REGISTERED[name](*ARGUMENTS.get(name, ()))
    copy = eval(repr(instance), dict(configurable.REGISTERED))
    assert type(copy) is type(instance)
    configs = [
        keras.saving.serialize_keras_object(each)["config"]
        for each in (copy, instance)
    ]
    for config in configs:
        config.pop("name", None)  # Keras numbers them.
    assert configs[0] == configs[1]
    assert len(repr(instance)) < 90


@pytest.mark.parametrize(
    "text",
    [
        "Pad()",
        "Pad(inner_size=128)",
        "Pad(inner_size=(3, 4), offset=(0, 1))",
        "Frame(width=3)",
        "Grid(size=4, interpolation='bicubic')",
        "ChannelConcatenation(placement=Pad(inner_size=2))",
        "LinearMapping(initial=FixedMapping(groups=[[0], [1]]))",
    ],
)
def test_settings_that_are_not_the_defaults_are_shown(text):
    names = {
        cls.__name__: cls
        for cls in (
            ChannelConcatenation,
            FixedMapping,
            Frame,
            Grid,
            LinearMapping,
            Pad,
        )
    }
    assert repr(eval(text, names)) == text


def test_layers_have_the_representation_of_keras():
    assert repr(UniversalPattern(name="p")) == (
        "<UniversalPattern name=p, built=False>"
    )
    assert repr(keras_reprogram.metrics.BalancedAccuracy(2)) == (
        "<BalancedAccuracy name=balanced_accuracy>"
    )
    assert keras_reprogram.ReprogrammedModel.__repr__ is keras.Model.__repr__


def test_the_call_of_a_layer_names_objects_not_configs():
    pattern = UniversalPattern(
        Outside(), "sigmoid", keras.initializers.RandomNormal(0.0, 0.5)
    )
    assert constructor_call(pattern) == (
        "UniversalPattern(region=Outside(), activation='sigmoid', "
        "initializer=RandomNormal(stddev=0.5))"
    )
    layer = AveragedViews(keras_reprogram.InputReprogrammer(name="i"))
    assert constructor_call(layer).endswith(
        "(transformation=<InputReprogrammer name=i, built=False>)"
    )


def test_arrays_are_shown_by_shape_and_dtype():
    assert repr(FixedMapping(matrix=np.ones((100, 5)))) == (
        "FixedMapping(matrix=<array shape=(100, 5), dtype=float64>)"
    )
    assert repr(SemanticMapping(np.eye(9), np.eye(9))) == (
        "SemanticMapping(source_embeddings=<array shape=(9, 9), "
        "dtype=float64>, target_embeddings=<array shape=(9, 9), "
        "dtype=float64>)"
    )
    found = CrossValidation([0.1, 1.0], np.ones((2, 5)), 1)
    assert repr(found) == (
        "CrossValidation(candidates=[0.1, 1.0], scores=<array shape=(2, 5), "
        "dtype=float64>, chosen_index=1)"
    )
    variable = keras.Variable(np.zeros(3, "float32"))
    assert repr(Solution(variable, keras.ops.zeros(2))) == (
        "Solution(matrix=<array shape=(3,), dtype=float32>, "
        "bias=<array shape=(2,), dtype=float32>)"
    )


def test_long_lists_and_strings_are_shortened():
    text = repr(FixedMapping(groups=[list(range(n)) for n in range(1, 99)]))
    assert len(text) < 120 and text.endswith(", ...])")

    @dataclasses.dataclass
    class Prompt:
        text: str

    assert (
        constructor_call(Prompt(100 * "a")) == f"Prompt(text='{60 * 'a'}'...)"
    )


def test_rates_are_shown_as_they_were_given():
    optimizer = keras_reprogram.optimizers.NormalizedAdam(0.1)
    assert repr(optimizer) == "NormalizedAdam(learning_rate=0.1)"
    schedule = keras_reprogram.black_box.PowerDecay(0.3, exponent=1.0)
    optimizer = keras_reprogram.optimizers.NormalizedGradient(schedule)
    assert repr(optimizer) == (
        "NormalizedGradient(learning_rate=PowerDecay("
        "initial_learning_rate=0.3, exponent=1.0))"
    )
