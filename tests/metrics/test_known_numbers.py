import numpy as np
import pytest
from keras import ops

from keras_reprogram.metrics import IntervalCoverage
from keras_reprogram.metrics import KnownMeanAbsoluteError
from keras_reprogram.metrics import KnownMeanSquaredError

KINDS = {KnownMeanSquaredError: np.square, KnownMeanAbsoluteError: np.abs}


def data():
    generator = np.random.default_rng(0)
    y = generator.normal(size=(4, 5, 2)).astype("float32")
    y_pred = np.sort(generator.normal(size=(4, 5, 2, 3)), axis=-1)
    y[generator.random(y.shape) < 0.4] = np.nan
    return y, y_pred.astype("float32")


def result(metric, *arguments):
    metric.update_state(*arguments)
    return float(ops.convert_to_numpy(metric.result()))


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_the_mean_over_known_targets(kind):
    y, y_pred = data()
    expected = np.nanmean(KINDS[kind](y - y_pred[..., 1]))
    metric = kind.from_config(kind(quantile=1).get_config())
    np.testing.assert_allclose(result(metric, y, y_pred), expected, rtol=1e-5)
    metric = kind(name="error")
    half = result(metric, y[:1], y_pred[:1, ..., 1])
    whole = result(metric, y[1:], y_pred[1:, ..., 1])
    assert half != whole
    np.testing.assert_allclose(whole, expected, rtol=1e-5)


def test_the_coverage_is_that_of_the_known_targets_in_the_interval():
    y, y_pred = data()
    known = ~np.isnan(y)
    within = (y_pred[..., 0] <= y) & (y <= y_pred[..., 2])
    np.testing.assert_allclose(
        result(IntervalCoverage(), y, y_pred), within[known].mean(), rtol=1e-5
    )
    weights = np.array([1.0, 0.0, 2.0, 0.5])
    spread = np.broadcast_to(weights[:, None, None], y.shape)[known]
    metric = IntervalCoverage.from_config(IntervalCoverage(0, 2).get_config())
    np.testing.assert_allclose(
        result(metric, y, y_pred, weights),
        (within[known] * spread).sum() / spread.sum(),
        rtol=1e-5,
    )


def test_one_channel_may_lack_its_axis():
    y, y_pred = data()
    found = result(IntervalCoverage(), y[..., 0], y_pred[..., :1, :])
    expected = result(IntervalCoverage(), y[..., :1], y_pred[..., :1, :])
    assert found == expected


def test_what_does_not_fit_is_a_value_error():
    y, y_pred = data()
    for metric in (KnownMeanSquaredError(), IntervalCoverage()):
        with pytest.raises(ValueError, match="Received: "):
            metric.update_state(y[..., :1], y_pred)
    with pytest.raises(ValueError, match="`high`"):
        IntervalCoverage(high=0.9)
    with pytest.raises(ValueError, match="`quantile`"):
        KnownMeanSquaredError(quantile=0.5)
    for low, high in ((0, 3), (-4, 2), (2, 0), (-1, 0), (1, -2)):
        metric = IntervalCoverage(low, high)
        with pytest.raises(ValueError, match="Received: low=|Received: high="):
            metric.update_state(y, y_pred)
    for low, high in ((None, -1), (0, None), (1, 1)):
        with pytest.raises(ValueError, match="two quantiles"):
            IntervalCoverage(low, high)
    with pytest.raises(ValueError, match="one of the 3 quantiles"):
        KnownMeanSquaredError(quantile=3).update_state(y, y_pred)
