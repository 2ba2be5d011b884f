import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

import keras_reprogram
from keras_reprogram import configurable
from keras_reprogram import inputs
from keras_reprogram.inputs.tokens.sequence_layout import SequenceLayout

pytestmark = pytest.mark.numpy_alone


@dataclasses.dataclass(frozen=True)
class Settings(configurable.Configurable):
    size: int = 1


def test_a_config_makes_an_equal_object():
    settings = Settings(size=3)
    assert settings.get_config() == {"size": 3}
    assert Settings.from_config(settings.get_config()) == settings
    settings.set_fields(size=4)
    assert settings == Settings(4)


@pytest.mark.parametrize("kind", [int, np.int8, np.uint64, np.array])
def test_integers_of_every_kind_become_pythons(kind):
    for check in (
        configurable.integer,
        lambda value: configurable.positive_integer("n", value),
        configurable.check_seed,
    ):
        assert type(check(kind(3))) is int and check(kind(3)) == 3
    assert configurable.positive_integers("n", kind(3), 2) == (3, 3)
    assert configurable.size("n", kind(3)) == 3


@pytest.mark.parametrize("kind", [int, float, np.int32, np.float32, np.array])
def test_whole_rates_of_every_kind_become_pythons(kind):
    rate = configurable.check_rate("n", kind(16000))
    assert type(rate) is int and rate == 16000


def test_sizes_keep_their_form():
    assert configurable.size("n", [2, 3]) == (2, 3)
    assert configurable.positive_integers("n", (2, 3), 2) == (2, 3)
    assert configurable.offset("n", [0, 3]) == (0, 3)
    assert configurable.offset("n", None) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: configurable.positive_integer("n", 0),
        lambda: configurable.positive_integer("n", True),
        lambda: configurable.positive_integer("n", 2.0),
        lambda: configurable.positive_integers("n", (1, 2, 3), 2),
        lambda: configurable.positive_integers("n", ()),
        lambda: configurable.length_and_channels("n", (3,)),
        lambda: configurable.positive_integers("n", (1, -1)),
        lambda: configurable.offset("n", 3),
        lambda: configurable.offset("n", (-1, 0)),
        lambda: configurable.offset("n", ()),
        lambda: configurable.number("n", np.nan, 0),
        lambda: configurable.number("n", True, 0),
        lambda: configurable.number("n", 2, 0, 1),
        lambda: configurable.number("n", "1", 0),
        lambda: configurable.boolean("n", 1),
        lambda: configurable.check_seed(-1),
        lambda: configurable.check_rate("n", 16),
        lambda: configurable.check_rate("n", 11025.5),
        lambda: configurable.check_rate("n", np.inf),
        lambda: configurable.check_rate("n", np.float64("nan")),
        lambda: configurable.check_rate("n", True),
        lambda: configurable.check_rate("n", None),
        lambda: configurable.optional("n", 3, str, "a string"),
    ],
)
def test_what_is_no_such_value_is_a_value_error(call):
    with pytest.raises(ValueError, match="Received: "):
        call()


def test_an_object_or_its_config_or_none_is_taken():
    layer = keras.layers.Dense(3)
    config = keras.saving.serialize_keras_object(layer)
    found = [
        configurable.optional("layer", value, keras.layers.Layer, "a layer")
        for value in (layer, config, None)
    ]
    assert found[0] is layer and found[1].units == 3 and found[2] is None


def test_a_constant_is_an_initializer_of_any_dtype():
    found = configurable.constant([1, 2])((2,), "float16")
    assert keras.backend.standardize_dtype(found.dtype) == "float16"
    assert ops.convert_to_numpy(found).tolist() == [1, 2]


SERIES = (8, 2)
# What the constructors of layers need.
ARGUMENTS = {
    "SilenceForMissing": {"length": 8},
    "HasSound": {"samples_per_step": 4, "num_steps": 2},
    "AudioReadout": {"kind": "mean"},
    "OutputFeatures": {"activation": "softmax"},
    "Readout": {"kind": "mean"},
    "NeighborAggregation": {"aggregators": ["sum"], "index": 0},
    "GridAverage": {"grid": 2},
    "WindowStatistics": {"num_windows": 2},
    "SlidingWindows": {"window": 4},
    "TextSimilarity": {"num_texts": 3},
    "AveragedViews": {
        "transformation": keras_reprogram.InputReprogrammer((4, 4, 1))
    },
    "JoinedTransformation": {
        "transformations": [
            keras_reprogram.InputReprogrammer((4, 4, 1)) for _ in range(2)
        ]
    },
    "GraphReprogrammer": {
        "target_shape": (3, 2),
        "steps": [inputs.FeaturePadding()],
    },
    "Doubling": {"filters": 2},
    "TokenPatches": {"vocabulary_size": 3},
    "ChannelAdapter": {"target_shape": SERIES},
    "SeriesCorrection": {"target_shape": SERIES},
    "SeriesReprogrammer": {"target_shape": (32, 1)},
    "FreeEmbeddings": {"vocabulary_size": 3},
    "DenseCombination": {"vocabulary_size": 3},
    "SparseCombination": {"vocabulary_size": 3},
    "TokenRemapping": {"vocabulary_size": 3},
    "SoftPrompt": {"length": 2},
    "ConditionalNoise": {"num_classes": 3},
    "Recurrence": {"num_steps": 2, "transformation": inputs.StateMatrix()},
    "ReadPositions": {"sequence_layout": SequenceLayout([None], [False], None)},
    "TokenReprogrammer": {"mapping": inputs.SourceTokens()},
    "BankedInputs": {
        "sample_shape": (4, 4, 1),
        "source_shape": (8, 8, 3),
        "capacity": 2,
        "placements": 1,
        "data_format": "channels_last",
    },
    "AttentiveProbe": {"num_classes": 2},
    "CellClasses": {"num_classes": 2},
    "ForecastHead": {"horizon": 2},
    "LabelMapper": {"num_classes": 2},
    "ResidualLabelMapper": {"num_classes": 2},
    "ResidualAttributeMapper": {"num_classes": 2},
    "BankedMatrices": {"num_classes": 2, "capacity": 2},
    "BankedSources": {"num_classes": 2, "capacity": 2, "sources_per_target": 1},
    "SeriesRange": {"context_length": 4},
    "ForecastDecoder": {"horizon": 2, "quantile": 0.5},
}
# Layers of waveforms compute in float32 whatever they are given.
FLOAT32_ALONE = (
    "AudioReadout",
    "HasSound",
    "SilenceForMissing",
    "UpToLastSound",
    "WhisperSpectrogram",
    "WindowStatistics",
)
LAYERS = sorted(
    name
    for name, cls in configurable.REGISTERED.items()
    if issubclass(cls, keras.layers.Layer) and not issubclass(cls, keras.Model)
)


@pytest.mark.parametrize("name", LAYERS)
def test_what_every_layer_takes_is_in_its_config(name):
    cls = configurable.REGISTERED[name]
    arguments = dict(ARGUMENTS.get(name, {}))
    if name == "FrozenSource":
        arguments["source"] = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(3)]
        )
    layer = cls(
        **arguments, name="own", dtype="mixed_bfloat16", trainable=False
    )
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert type(copy) is cls
    assert copy.name == "own"
    assert copy.dtype_policy.name == (
        "float32" if name in FLOAT32_ALONE else "mixed_bfloat16"
    )
    assert not copy.trainable
