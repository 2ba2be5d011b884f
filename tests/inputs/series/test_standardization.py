import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs.series.standardization import mean_and_deviation
from keras_reprogram.inputs.series.standardization import standardize
from tests.gradients import gradient

WAVE = np.sin(np.arange(96) / 3)


def standardized(samples, dtype="float32"):
    return [
        ops.convert_to_numpy(array)
        for array in standardize(ops.convert_to_tensor(samples, dtype))
    ]


def test_mean_and_deviation_are_numpys():
    samples = np.random.default_rng(0).normal(5, 2, (2, 40, 3))
    mean, deviation = mean_and_deviation(ops.convert_to_tensor(samples))
    for found, expected in (
        (mean, samples.mean(axis=1, keepdims=True)),
        (deviation, samples.std(axis=1, keepdims=True)),
    ):
        np.testing.assert_allclose(
            ops.convert_to_numpy(found), expected, rtol=1e-5
        )


@pytest.mark.parametrize(
    "value, dtype",
    [
        *((value, "float32") for value in (0.0, 0.5, 7.7, -101325.7, 1e-21)),
        *((7.7, dtype) for dtype in ("float16", "bfloat16")),
        (1e30, "bfloat16"),
    ],
)
def test_a_constant_is_exactly_zero_with_a_deviation_of_1(value, dtype):
    samples = np.full((2, 96, 1), value)
    series, mean, deviation = standardized(samples, dtype)
    np.testing.assert_array_equal(series, 0.0)
    np.testing.assert_array_equal(deviation, 1.0)
    rounded = ops.cast(ops.convert_to_tensor(samples, dtype), "float32")
    np.testing.assert_array_equal(mean, ops.convert_to_numpy(rounded)[:, :1])


@pytest.mark.parametrize("unit", [1e-30, 1e-21, 1.0, 1e19, 1e37])
def test_the_deviation_is_right_in_any_unit(unit):
    samples = (unit * (WAVE + 2)).astype("float32")[None, :, None]
    series, mean, deviation = standardized(samples)
    exact = samples.astype("float64")
    np.testing.assert_allclose(mean.ravel(), exact.mean(), rtol=1e-5)
    np.testing.assert_allclose(deviation.ravel(), exact.std(), rtol=1e-5)
    np.testing.assert_allclose(
        series, (exact - exact.mean()) / exact.std(), atol=1e-5
    )


def test_a_mean_takes_no_digits_of_a_small_deviation():
    samples = (101325.7 + 0.02 * WAVE).astype("float32")[None, :, None]
    series, _, deviation = standardized(samples)
    exact = samples.astype("float64")
    np.testing.assert_allclose(deviation.ravel(), exact.std(), rtol=1e-5)
    np.testing.assert_allclose(
        series, (exact - exact.mean()) / exact.std(), atol=1e-5
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32"])
def test_low_precision_and_integers_are_computed_in_float32(dtype):
    samples = ops.cast(60000 * WAVE[None, :, None], dtype)
    mean, deviation = mean_and_deviation(samples)
    exact = ops.convert_to_numpy(ops.cast(samples, "float32"))
    for found, expected in ((mean, exact.mean()), (deviation, exact.std())):
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        np.testing.assert_allclose(
            ops.convert_to_numpy(found).ravel(), expected, rtol=1e-4, atol=0.1
        )


def test_a_constant_has_finite_gradients():
    samples = np.full((1, 8, 1), 7.7, "float32")
    for part in range(3):
        found = gradient(lambda x: standardize(x)[part], samples)  # noqa: B023
        found = ops.convert_to_numpy(found)
        assert np.isfinite(found).all()
    mean = gradient(lambda x: mean_and_deviation(x)[0], samples)
    np.testing.assert_allclose(ops.convert_to_numpy(mean), 1 / 8, rtol=1e-6)


def test_gradients_are_those_of_the_plain_formula():
    samples = np.random.default_rng(0).normal(3, 2, (1, 8, 1))
    samples = samples.astype("float32")
    weights = np.arange(8, dtype="float32")[None, :, None]

    def plain(x):
        centered = x - ops.mean(x, axis=1, keepdims=True)
        return centered / ops.std(x, axis=1, keepdims=True)

    found, expected = (
        ops.convert_to_numpy(
            gradient(lambda x: ops.multiply(f(x), weights), samples)  # noqa: B023
        )
        for f in (lambda x: standardize(x)[0], plain)
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)


def missing():
    samples = np.random.default_rng(0).normal(5, 2, (2, 40, 3))
    samples = samples.astype("float32")
    samples[0, :12, 0] = samples[0, 30:, 1] = samples[1, ::3] = np.nan
    return samples


def test_a_missing_value_is_left_out_of_mean_and_deviation():
    samples = missing()
    series, mean, deviation = standardized(samples)
    np.testing.assert_allclose(
        mean, np.nanmean(samples, axis=1, keepdims=True), rtol=1e-5
    )
    np.testing.assert_allclose(
        deviation, np.nanstd(samples, axis=1, keepdims=True), rtol=1e-5
    )
    np.testing.assert_allclose(
        series, (samples - mean) / deviation, rtol=1e-4, atol=1e-5
    )


def test_a_constant_with_missing_values_has_the_deviation_that_is_given():
    samples = np.full((1, 8, 2), 7.7, "float32")
    samples[0, 0, 0] = samples[0, :, 1] = np.nan
    mean, deviation = mean_and_deviation(samples, np.array([3.0, 4.0]))
    assert ops.convert_to_numpy(mean).ravel().tolist() == [np.float32(7.7), 0]
    assert ops.convert_to_numpy(deviation).ravel().tolist() == [3, 4]


def test_missing_values_leave_gradients_finite():
    for part in (1, 2):
        found = gradient(lambda x: standardize(x)[part], missing())  # noqa: B023
        found = ops.convert_to_numpy(found)
        assert np.isfinite(found).all()
        np.testing.assert_array_equal(found[np.isnan(missing())], 0.0)
