import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import padded_series
from keras_reprogram.inputs import with_known_future
from keras_reprogram.inputs.series import missing_values
from tests.gradients import gradient


def data():
    """Random gaps, gaps at both ends, one value, none missing, and all."""
    generator = np.random.default_rng(0)
    series = generator.normal(size=(8, 30)).astype("float32")
    known = generator.random((8, 30)) < 0.5
    known[1, :9], known[2, -7:] = False, False
    known[3], known[4], known[5] = np.arange(30) == 17, True, False
    return series, known


def test_missing_values_are_interpolated_as_numpy_does():
    series, known = data()
    found = ops.convert_to_numpy(
        missing_values.interpolated(np.where(known, series, np.nan), known)
    )
    steps = np.arange(30)
    for row, mask, result in zip(series, known, found):
        expected = np.zeros(30)
        if mask.any():
            expected = np.interp(steps, steps[mask], row[mask])
        np.testing.assert_allclose(result, expected, atol=1e-6)
        np.testing.assert_array_equal(result[mask], row[mask])


def test_the_gradient_of_what_is_missing_is_zero():
    series, known = data()
    samples = np.where(known, series, np.nan).astype("float32")

    def filled(x):
        return missing_values.interpolated(x, missing_values.known_values(x))

    found = ops.convert_to_numpy(gradient(filled, samples))
    np.testing.assert_array_equal(found[~known], 0.0)
    assert np.isfinite(found).all()
    # Every value that is filled in is a mean of known ones.
    np.testing.assert_allclose(
        found.sum(axis=1), 30.0 * known.any(axis=1), rtol=1e-5
    )


def test_steps_are_within_from_the_first_to_the_last_known_one():
    _, known = data()
    found = ops.convert_to_numpy(missing_values.within_known(known))
    for mask, result in zip(known, found):
        places = np.flatnonzero(mask)
        expected = np.zeros(30, bool)
        if len(places):
            expected[places[0] : places[-1] + 1] = True
        np.testing.assert_array_equal(result, expected)


def test_integers_are_all_known():
    known = missing_values.known_values(ops.ones((2, 3), "int32"))
    assert ops.convert_to_numpy(known).all()


@pytest.mark.numpy_alone
def test_a_channel_without_values_is_a_value_error():
    samples = np.zeros((3, 5, 2))
    samples[1, :4, 1] = np.nan
    missing_values.check_known(samples)
    samples[1, 4, 1] = np.nan
    with pytest.raises(ValueError, match="in sample 1, channel 1"):
        missing_values.check_known(samples)


@pytest.mark.numpy_alone
def test_series_of_different_lengths_are_padded_at_either_end():
    series = [[1, 2, 3], np.array([4.0])]
    nan = np.nan
    np.testing.assert_array_equal(
        padded_series(series), [[1, 2, 3], [4, nan, nan]]
    )
    np.testing.assert_array_equal(
        padded_series(series, length=4, end=False),
        [[nan, 1, 2, 3], [nan, nan, nan, 4]],
    )
    several = [np.ones((2, 3), "float32"), np.zeros((4, 3), "int64")]
    padded = padded_series(several)
    assert padded.shape == (2, 4, 3) and padded.dtype == "float32"
    assert np.isnan(padded[0, 2:]).all() and not np.isnan(padded[1]).any()


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "arguments",
    [
        ([],),
        ([["a"]],),
        ([[1.0], []],),
        ([[1.0, 2.0]], 1),
        ([np.ones((2, 1)), np.ones((2, 2))],),
        ([np.ones((2, 1, 1))],),
        ([np.ones(2), np.ones((2, 1))],),
    ],
)
def test_what_cannot_be_padded_is_a_value_error(arguments):
    with pytest.raises(ValueError, match="Received: "):
        padded_series(*arguments)


@pytest.mark.numpy_alone
def test_covariates_known_ahead_are_last_and_the_future_of_others_is_nan():
    past = np.random.default_rng(0).random((2, 6, 2))
    known = np.random.default_rng(1).random((2, 9, 1))
    x = with_known_future(past, known)
    assert x.shape == (2, 9, 3)
    np.testing.assert_array_equal(x[:, :6, :2], past)
    assert np.isnan(x[:, 6:, :2]).all()
    np.testing.assert_array_equal(x[..., 2:], known)
    for bad in (known[:1], known[:, :6], known[..., 0]):
        with pytest.raises(ValueError, match="Received: "):
            with_known_future(past, bad)


@pytest.mark.numpy_alone
def test_another_argument_is_a_value_error():
    for bad in ("zero", 1, True, ["mask"]):
        with pytest.raises(ValueError, match="`missing_values`"):
            missing_values.check_missing_values(bad)
