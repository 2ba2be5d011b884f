"""The mel front end against librosa's definition, and its gradient."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import UniversalPattern
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.canvas import Canvas
from keras_reprogram.pretrained import LogMelSpectrogram


def librosa_filters(rate, length, bands, low, high):
    """Slaney's triangles, band by band, as librosa defines them."""

    def mel(hertz):
        if hertz < 1000:
            return 3 * hertz / 200
        return 15 + 27 * np.log(hertz / 1000) / np.log(6.4)

    def hertz(mel):
        return 200 * mel / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    corners = [hertz(m) for m in np.linspace(mel(low), mel(high), bands + 2)]
    frequencies = np.arange(length // 2 + 1) * rate / length
    filters = np.zeros((len(frequencies), bands))
    for band in range(bands):
        left, center, right = corners[band : band + 3]
        heights = np.interp(frequencies, corners[band : band + 3], [0, 1, 0])
        filters[:, band] = heights * 2 / (right - left)
    return filters


def expected(waves, rate, length, stride, bands, low, high, gain):
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    padded = np.pad(waves, [(0, 0), (length // 2,) * 2], mode="reflect")
    frames = np.stack(
        [
            padded[:, start : start + length]
            for start in range(0, padded.shape[1] - length + 1, stride)
        ],
        axis=1,
    )
    energies = np.abs(np.fft.rfft(frames * window)) ** 2
    filters = librosa_filters(rate, length, bands, low, high)
    return np.log10(1 + gain * energies @ filters)


@pytest.mark.parametrize(
    "settings",
    [
        (16000, 512, 256, 96, 0, 8000, 1e4),  # musicnn's
        (16000, 1024, 128, 80, 40, 8000, 1e10),  # the speech model's
        (8000, 200, 80, 20, 100, 3000, 1.0),
    ],
)
def test_the_values_are_librosas(settings):
    waves = np.random.default_rng(0).normal(0, 0.1, (2, 3001))
    layer = LogMelSpectrogram(*settings)
    outputs = ops.convert_to_numpy(layer(waves.astype("float32")))
    assert outputs.shape == layer.compute_output_shape((2, 3001))
    np.testing.assert_allclose(outputs, expected(waves, *settings), atol=1e-4)


def test_silence_has_a_finite_gradient_and_values_of_its_own():
    waves = np.zeros((2, 2000), "float32")
    waves[1, 500:600] = 1
    layer = LogMelSpectrogram(gain=1e10)
    apart = ops.convert_to_numpy(layer(waves[:1]))
    together = ops.convert_to_numpy(layer(waves))
    np.testing.assert_array_equal(together[0], apart[0])
    assert not apart.any()

    program = UniversalPattern(activation=None)
    axes = Axes(1, "channels_last")
    program.build_on(Canvas((2000,), axes, np.zeros(2000, bool)))
    inputs = keras.Input((2000,))
    outputs = layer(ops.add(inputs, program(inputs)))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(1e-6), "mse")
    model.fit(waves, np.ones((2, 8, 96)), verbose=0)
    theta = ops.convert_to_numpy(program.theta.value)
    assert np.isfinite(theta).all() and theta.any()


def test_a_bfloat16_layer_computes_its_transform_in_float32():
    waves = np.random.default_rng(0).normal(0, 0.1, (1, 2000)).astype("float32")
    outputs = LogMelSpectrogram(dtype="bfloat16")(ops.cast(waves, "bfloat16"))
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(outputs, "float32")),
        ops.convert_to_numpy(LogMelSpectrogram()(waves)),
        atol=0.05,
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("gain", [1e4, 1e10])
def test_a_layer_of_low_precision_computes_in_float32(dtype, gain):
    waves = np.random.default_rng(0).normal(0, 0.1, (3, 2000)).astype("float32")
    waves *= np.array([[1.0], [1e-5], [0.0]], "float32")
    outputs = LogMelSpectrogram(gain=gain, dtype=dtype)(waves)
    assert keras.backend.standardize_dtype(outputs.dtype) == dtype
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(outputs, "float32")),
        ops.convert_to_numpy(LogMelSpectrogram(gain=gain)(waves)),
        atol=0.05,
    )


def test_integers_are_a_value_error():
    waves = np.zeros((1, 2000), "int16")
    with pytest.raises(ValueError, match="32768.*Received: .*int16"):
        LogMelSpectrogram()(waves)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LogMelSpectrogram(stride=0),
        lambda: LogMelSpectrogram(16),
        lambda: LogMelSpectrogram(gain=-1),
        lambda: LogMelSpectrogram(highest_frequency=9000),
        lambda: LogMelSpectrogram(lowest_frequency=8000),
        lambda: LogMelSpectrogram().build((None, 256)),
        lambda: LogMelSpectrogram().build((None, 2000, 1)),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


def test_config_round_trip():
    layer = LogMelSpectrogram(8000, 200, 80, 20, 100, 3000, 2.0)
    copy = LogMelSpectrogram.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
