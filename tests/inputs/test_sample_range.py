"""Values that cannot be what `value_range` says are named, once."""

import warnings

import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram.inputs.sample_range import check_waveforms

GENERATOR = np.random.default_rng(0)
BYTES = GENERATOR.integers(0, 256, (4, 4, 4, 1)).astype("uint8")
UNIT = (BYTES / 255).astype("float32")


def warned(samples, value_range):
    end = InputReprogrammer((4, 4, 1), (8, 8, 3), value_range=value_range)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        end.check_values(samples)
        end.check_values(samples)
    return [str(warning.message) for warning in seen]


@pytest.mark.parametrize(
    "samples, value_range, words",
    [
        (UNIT, (0, 255), "small part"),
        (2 * UNIT - 1, (0, 255), "small part"),
        (BYTES > 127, (0, 255), "small part"),
        (4 * UNIT - 2, (0, 255), "small part"),
        (BYTES, (0, 1), "outside"),
        (BYTES.astype("uint16") * 257, (0, 255), "outside"),
        (BYTES.astype("int16") * 100 - 9000, (0, 255), "outside"),
        (BYTES.astype("int16") * 100 - 9000, None, "divide int16"),
        (BYTES.astype("uint16") * 257, None, "divide int16"),
        (10 * UNIT, (-3, 3), "outside"),
    ],
)
def test_one_warning_says_what_was_seen(samples, value_range, words):
    (message,) = warned(samples.astype(samples.dtype), value_range)
    assert words in message and "values from" in message
    if value_range is not None:
        assert f"value_range={tuple(map(float, value_range))}" in message


@pytest.mark.parametrize(
    "samples, value_range",
    [
        (BYTES, (0, 255)),
        (BYTES.astype("float32") + 0.1, (0, 255)),
        (np.zeros((1, 4, 4, 1)), (0, 255)),
        (np.full((1, 4, 4, 1), 0.5), (0, 255)),
        (UNIT, (0, 1)),
        (UNIT * 1.0001, (0, 1)),
        (2 * UNIT - 1, (-1, 1)),
        (GENERATOR.normal(size=(40, 4, 4, 1)), (-3, 3)),
        (UNIT * 1e6, None),
        (BYTES, None),
        (BYTES.astype("int64"), None),
        (np.zeros((0, 4, 4, 1)), (0, 255)),
    ],
)
def test_ordinary_samples_are_taken_in_silence(samples, value_range):
    assert not warned(samples, value_range)


@pytest.mark.parametrize("dtype", ["mixed_float16", "float16"])
def test_a_wide_range_is_scaled_before_it_is_cast(dtype):
    end = InputReprogrammer(
        (2,),
        (2,),
        pattern=None,
        value_range=(0, 65535),
        scale=1 / 65535,
        dtype=dtype,
    )
    found = end(np.array([[65535, 32768]], "uint16"))
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), [[1.0, 0.5]], atol=1e-3
    )


@pytest.mark.parametrize(
    "shape, source_shape, words",
    [
        ((9, 9, 4), (8, 8, 3), "alpha"),
        ((9, 9, 2), (8, 8, 3), "alpha"),
        ((3, 9, 9), (8, 8, 3), "data_format"),
        ((16000, 2), (200,), "stereo"),
        ((16000, 1), (200,), "axis of one channel"),
        ((6, 100), (200,), "ChannelConcatenation"),
        ((9, 9), (8, 8, 3), "gray image"),
        ((12,), (24, 2), "channel axis"),
    ],
)
def test_what_to_do_with_a_shape_is_said(shape, source_shape, words):
    end = InputReprogrammer(source_shape=source_shape, value_range=None)
    with pytest.raises(ValueError, match=words) as error:
        end.check_sample_shape(shape)
    assert "Received: " in str(error.value)
    with pytest.raises(ValueError):
        end(np.zeros((1, *shape)))


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(4, "int16"),
        np.array([0.0, -32768.0], "float32"),
        np.array([128, 255], "uint8"),
    ],
)
def test_waveforms_of_another_scale_are_a_value_error(samples):
    with pytest.raises(ValueError, match="32768. Received: .*dtype"):
        check_waveforms(samples)
    check_waveforms(np.array([-1.2, 3.0], "float32"))
