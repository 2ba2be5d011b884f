import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.sources.audio_layers import AudioReadout
from keras_reprogram.sources.audio_layers import HasSound
from keras_reprogram.sources.audio_layers import SilenceForMissing
from keras_reprogram.sources.audio_layers import UpToLastSound
from keras_reprogram.sources.audio_layers import WhisperSpectrogram

NAN = np.nan
WAVES = np.array(
    [[1, 2, 3, 4, 5, 6, 7], [1, NAN, 3, 4, 5, NAN, NAN], [NAN] * 7], "float32"
)


def array(tensor):
    return ops.convert_to_numpy(tensor)


def test_missing_samples_are_zero_and_zeros_are_added():
    layer = SilenceForMissing(9)
    found = array(layer(WAVES))
    assert found.shape == layer.compute_output_shape(WAVES.shape) == (3, 9)
    wanted = np.pad(np.nan_to_num(WAVES), [(0, 0), (0, 2)])
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "steps, wanted",
    [
        (2, [[1, 1], [1, 1], [0, 0]]),  # The last sample is in no step.
        (3, [[1, 1, 1], [1, 1, 0], [0, 0, 0]]),
    ],
)
def test_a_step_has_sound_if_one_of_its_samples_is_there(steps, wanted):
    found = array(HasSound(3, steps)(WAVES))
    np.testing.assert_array_equal(found, wanted)


def test_only_what_is_missing_at_the_end_is_padding():
    found = array(UpToLastSound()(WAVES))
    np.testing.assert_array_equal(found.sum(axis=1), [7, 5, 0])
    assert found[1, :5].all()


def test_a_readout_reads_steps_with_sound():
    hidden = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    has_sound = np.array([[1] * 4, [1, 0, 1, 0], [0] * 4], bool)
    mean, deviation = AudioReadout("statistics")(hidden, has_sound)
    for row, kept in enumerate((hidden[0], hidden[1, [0, 2]])):
        np.testing.assert_allclose(array(mean)[row], kept.mean(axis=0), 1e-5)
        np.testing.assert_allclose(
            array(deviation)[row], kept.std(axis=0), 1e-5
        )
    np.testing.assert_array_equal(array(mean)[2], 0)
    np.testing.assert_allclose(array(deviation)[2], 0, atol=1e-4)
    np.testing.assert_array_equal(
        array(AudioReadout("mean")(hidden, has_sound)), array(mean)
    )
    steps = array(AudioReadout("sequence")(hidden, has_sound))
    np.testing.assert_array_equal(steps, hidden * has_sound[..., None])


def test_a_spectrogram_does_not_depend_on_the_rest_of_the_batch():
    layer = WhisperSpectrogram()
    waves = np.zeros((2, 1000), "float32")
    waves[1, 300:400] = 1
    found = array(layer(waves))
    assert found.shape == layer.compute_output_shape(waves.shape) == (2, 6, 80)
    # Of silence, all levels are 1e-10.
    np.testing.assert_allclose(found[0], (-10 + 4) / 4, rtol=1e-6)
    assert found[1].max() - found[1].min() == pytest.approx(2, abs=1e-5)


def test_a_policy_of_low_precision_is_for_other_layers():
    layer = WhisperSpectrogram(dtype="bfloat16")
    assert layer.compute_dtype == "float32"


@pytest.mark.parametrize(
    "layer",
    [
        SilenceForMissing(9),
        HasSound(3, 2),
        UpToLastSound(),
        WhisperSpectrogram(128),
        AudioReadout("mean"),
    ],
)
@pytest.mark.numpy_alone
def test_config_round_trip(layer):
    config = keras.saving.serialize_keras_object(layer)
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == layer.get_config()
