"""Speech models against KerasHub's own forward passes, and their masks."""

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.recipes import few_samples
from keras_reprogram.sources import AudioSource
from keras_reprogram.sources import JoinedSource
from keras_reprogram.sources import fingerprint
from keras_reprogram.sources import inspect_source
from keras_reprogram.sources.gradient_path import what_blocks_gradient
from keras_reprogram.sources.output_blocks import block_sizes

WHISPER = dict(
    vocabulary_size=10,
    num_layers=2,
    num_heads=2,
    hidden_dim=8,
    intermediate_dim=16,
    max_encoder_sequence_length=40,
    max_decoder_sequence_length=8,
)
MOONSHINE = dict(
    vocabulary_size=10,
    filter_dim=8,
    encoder_num_layers=2,
    decoder_num_layers=1,
    hidden_dim=8,
    intermediate_dim=16,
    encoder_num_heads=2,
    decoder_num_heads=2,
)
SAMPLES = {"whisper": 2000, "moonshine": 2500}
# What is missing at the end of the last waveform, and its whole steps.
LENGTHS = {"whisper": (1000, 4), "moonshine": (1300, 2)}


def backbone(name, factor=8.0, **settings):
    keras.utils.set_random_seed(0)
    if name == "whisper":
        model = keras_hub.models.WhisperBackbone(**WHISPER, **settings)
    else:
        model = keras_hub.models.MoonshineBackbone(**MOONSHINE, **settings)
    # Weights at which every layer counts.
    for variable in model.weights:
        if "kernel" in variable.path:
            values = ops.convert_to_numpy(ops.cast(variable, "float32"))
            variable.assign(values * factor)
    return model


def waveforms(name):
    """One as usual, a quiet one with a hole, and one that ends early."""
    waves = np.random.default_rng(0).normal(0, 0.1, (3, SAMPLES[name]))
    waves[1] *= 1e-3  # A sample's floor is its own.
    waves[1, 100:105] = np.nan
    waves[2, LENGTHS[name][0] :] = np.nan
    return waves.astype("float32")


def outputs(source, waves):
    return ops.convert_to_numpy(source(waves, training=False))


def log_mel(waves):
    """Whisper's spectrogram in float64, as its paper and code define it."""

    def hertz(mel):
        return 200 * mel / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    highest = 15 + 27 * np.log(8) / np.log(6.4)
    corners = [hertz(mel) for mel in np.linspace(0, highest, 82)]
    filters = np.stack(
        [
            np.interp(np.arange(201) * 40, corners[i : i + 3], [0, 1, 0])
            * 2
            / (corners[i + 2] - corners[i])
            for i in range(80)
        ],
        axis=1,
    )
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    padded = np.pad(waves.astype("float64"), [(0, 0), (200, 200)], "reflect")
    frames = np.stack(
        [padded[:, i : i + 400] for i in range(0, waves.shape[1], 160)], axis=1
    )
    energies = np.abs(np.fft.rfft(frames * window)) ** 2 @ filters
    levels = np.log10(np.maximum(energies, 1e-10))
    floor = levels.max(axis=(1, 2), keepdims=True) - 8
    return (np.maximum(levels, floor) + 4) / 4


def of_keras_hub(name, model, waves):
    """The encoder's output from the backbone itself, zero where masked."""
    length, steps = LENGTHS[name]
    silent = np.nan_to_num(waves)
    if name == "whisper":
        features = log_mel(
            np.pad(silent, [(0, 0), (0, -silent.shape[1] % 320)])
        )
        inputs = {"encoder_features": features.astype("float32")}
    else:
        mask = np.ones_like(silent, bool)
        mask[2, length:] = False
        inputs = {
            "encoder_input_values": silent[..., None],
            "encoder_padding_mask": mask,
        }
    # The decoder's inputs have no effect on this output.
    tensors = {each: model.input[each] for each in inputs}
    encoder = keras.Model(tensors, model.output["encoder_sequence_output"])
    found = ops.convert_to_numpy(encoder(inputs, training=False)).copy()
    found[2, steps:] = 0
    return found


@pytest.fixture(scope="module")
def models():
    return {name: backbone(name) for name in SAMPLES}


@pytest.fixture(scope="module")
def expected(models):
    return {
        name: of_keras_hub(name, models[name], waveforms(name))
        for name in SAMPLES
    }


@pytest.mark.parametrize("name", SAMPLES)
def test_the_steps_are_those_of_keras_hubs_encoder(models, expected, name):
    source = AudioSource(models[name], SAMPLES[name], "sequence")
    assert source.output_shape == (None, *expected[name].shape[1:])
    found = outputs(source, waveforms(name))
    np.testing.assert_allclose(found, expected[name], atol=1e-4)


@pytest.mark.parametrize("name", SAMPLES)
def test_mean_and_layers_are_read_where_there_is_sound(models, expected, name):
    steps = [*expected[name][:2], expected[name][2, : LENGTHS[name][1]]]
    means = [each.mean(axis=0) for each in steps]
    source = AudioSource(models[name], SAMPLES[name])
    found = outputs(source, waveforms(name))
    np.testing.assert_allclose(found, means, atol=1e-4)

    source = AudioSource(models[name], SAMPLES[name], "layers")
    assert block_sizes(source) == (8, 8, 8, 8)
    found = outputs(source, waveforms(name))
    deviations = [each.std(axis=0) for each in steps]
    np.testing.assert_allclose(
        found[:, 16:], np.concatenate([means, deviations], axis=1), atol=1e-4
    )
    assert np.abs(found[:, :16] - found[:, 16:]).max() > 0.1
    assert np.isfinite(found).all()


def test_moonshines_attention_leaves_out_what_is_missing(models, expected):
    source = AudioSource(models["moonshine"], 2500, "sequence")
    silent = outputs(source, np.nan_to_num(waveforms("moonshine")))
    assert np.abs(silent[2, :2] - expected["moonshine"][2, :2]).max() > 1e-2


@pytest.mark.parametrize("name", SAMPLES)
def test_silence_and_missing_samples_have_a_finite_gradient(models, name):
    source = AudioSource(models[name], SAMPLES[name], "layers")
    assert what_blocks_gradient(source) is None
    source.trainable = False
    waves = waveforms(name)[[0, 2, 2, 2]]
    waves[1:] *= np.array([[0], [1], [np.nan]], "float32")
    gain = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    inputs = keras.Input((SAMPLES[name],))
    missing = ops.isnan(inputs)
    loud = gain(ops.where(missing, 0.0, inputs)[..., None])[..., 0]
    model = keras.Model(inputs, source(ops.where(missing, np.nan, loud)))
    model.compile(keras.optimizers.SGD(1e3), "mse")
    model.train_on_batch(waves, np.ones((4, 32)))
    after = ops.convert_to_numpy(gain.kernel)
    assert np.isfinite(after).all() and (after != 1).all()


@pytest.mark.numpy_alone
@pytest.mark.parametrize("name", SAMPLES)
def test_a_saved_source_and_its_fingerprint_are_the_same(
    models, name, tmp_path
):
    source = AudioSource(models[name], SAMPLES[name], "layers")
    assert len(source.weights) == len(models[name].weights)
    waves = waveforms(name)
    source.save(tmp_path / "source.keras")
    loaded = keras.saving.load_model(tmp_path / "source.keras")
    np.testing.assert_allclose(
        outputs(loaded, waves), outputs(source, waves), atol=1e-6
    )
    assert fingerprint(loaded) == fingerprint(source)
    other = AudioSource(models[name], SAMPLES[name] + 400, "layers")
    assert fingerprint(other) != fingerprint(source)


@pytest.mark.numpy_alone
def test_one_model_is_joined_at_two_lengths(models, tmp_path):
    model = models["whisper"]
    parts = [AudioSource(model, size, "layers") for size in (2000, 4000)]
    joined = JoinedSource(parts)
    assert len(joined.weights) == len(model.weights)
    assert block_sizes(joined) == (8,) * 8
    waves = np.tile(waveforms("whisper"), 2)
    found = outputs(joined, [waves[:, :2000], waves])
    np.testing.assert_allclose(found[:, 32:], outputs(parts[1], waves), 1e-5)
    joined.save(tmp_path / "joined.keras")
    loaded = keras.saving.load_model(tmp_path / "joined.keras")
    assert len(loaded.weights) == len(model.weights)
    np.testing.assert_allclose(
        outputs(loaded, [waves[:, :2000], waves]), found, 1e-5
    )


def test_the_specification_says_what_a_waveform_is(models):
    source = AudioSource(models["whisper"], 2000, "sequence")
    found = inspect_source(source)
    assert found.accepted_shape == found.preferred_shape == (2000,)
    assert found.num_position_axes == 1 and found.num_classes == 8
    assert found.from_logits and found.accepts_missing_values
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    assert not inspect_source(dense).accepts_missing_values


@pytest.mark.numpy_alone
@pytest.mark.parametrize("name", SAMPLES)
def test_a_bfloat16_encoder_has_a_float32_front_end_and_readout(name):
    low, high = (backbone(name, 1, dtype=it) for it in ("bfloat16", "float32"))
    low.set_weights(high.get_weights())
    found, exact = (
        AudioSource(model, SAMPLES[name], "layers")(waveforms(name))
        for model in (low, high)
    )
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), ops.convert_to_numpy(exact), atol=0.15
    )


@pytest.mark.parametrize(
    "name, samples, message",
    [
        ("whisper", 399, "from 400 to 6400, 0.4 seconds"),
        ("whisper", 6401, "from 400 to 6400"),
        ("moonshine", 894, "from 895 to 1024000, 64 seconds"),
        ("moonshine", 64 * 16000 + 1, "from 895"),
        ("whisper", 2000.5, "positive integer"),
    ],
)
def test_a_length_that_no_encoder_takes_is_a_value_error(
    models, name, samples, message
):
    with pytest.raises(ValueError, match=f"{message}.*Received: samples="):
        AudioSource(models[name], samples)


@pytest.mark.numpy_alone
def test_other_models_and_poolings_are_a_value_error(models):
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="speech model.*Received: Sequential"):
        AudioSource(dense, 2000)
    with pytest.raises(ValueError, match="`pooling`.*'max'"):
        AudioSource(models["whisper"], 2000, "max")


def test_what_are_no_waveforms_names_the_conversion(models):
    source = AudioSource(models["whisper"], 2000)
    wave = np.zeros((1, 2000), "float32")
    for wrong, received in [
        (np.zeros((1, 2000), "int16"), "int16"),
        (np.zeros((1, 2000, 2), "float32"), r"\(1, 2000, 2\)"),
        (wave[0], r"\(2000,\)"),
        (wave[:, :100], r"\(1, 100\)"),
        (keras.KerasTensor((None, 100)), r"\(None, 100\)"),
        (wave.tolist(), "type float"),
        (None, "NoneType"),
    ]:
        message = f"to_waveforms.*seconds=0.125.*32768.*{received}"
        with pytest.raises(ValueError, match=message):
            source(wrong)
    # As with every Keras model.
    for same in (wave[..., None], [wave], {"waveforms": wave}):
        assert source(same).shape == (1, 8)


def model_of(source, **settings):
    return ReprogrammedModel(
        source,
        InputReprogrammer(
            (1000,), placement="pad", **{"value_range": None, **settings}
        ),
        LabelMapper(2, "linear"),
    )


@pytest.mark.numpy_alone
def test_a_model_says_what_waveforms_it_takes(models):
    model = model_of(AudioSource(models["whisper"], 2000))
    for waves, message in (
        (np.zeros((2, 1000), "int16"), "waveforms in .*32768"),
        (np.full((2, 1000), 3e4, "float32"), "to_waveforms.*30000"),
        (np.zeros((2, 1000, 2), "float32"), "Received: .*1000, 2"),
        (np.zeros((2, 999), "float32"), "Received: .*999"),
        (np.full((2, 1000), np.nan, "float32"), "`missing_values`"),
    ):
        with pytest.raises(ValueError, match=message):
            model.predict(waves, verbose=0)
    # The source would receive them as they are.
    model = model_of(
        AudioSource(models["whisper"], 2000), value_range=(-32768, 32767)
    )
    with pytest.raises(ValueError, match="to_waveforms"):
        model.predict(np.zeros((2, 1000), "int16"), verbose=0)


@pytest.mark.numpy_alone
def test_few_recordings_of_unequal_length_are_classified(models):
    source = AudioSource(models["whisper"], 2000, "layers")
    waves = np.tile(waveforms("whisper")[:1, :1000], (12, 1))
    waves[6:] *= np.sin(np.arange(1000))
    waves[::3, 700:] = np.nan
    labels = np.repeat([0, 1], 6)
    placed = InputReprogrammer(
        (1000,), None, "pad", None, value_range=None, missing_values="mask"
    )
    model = few_samples(
        (source, placed), waves, labels, value_range=None, folds=2, verbose=0
    )
    assert np.isfinite(model.predict(waves, verbose=0)).all()
    assert model.label_mapper.num_classes == 2


@pytest.mark.numpy_alone
def test_a_frozen_source_is_copied_frozen():
    source = AudioSource(backbone("whisper"), 2000, trainable=False)
    copy = AudioSource.from_config(source.get_config())
    assert source.weights and not source.trainable_weights
    assert not copy.trainable_weights
