import numpy as np
import pytest
from keras import ops

from keras_reprogram.losses import MaskedMeanAbsoluteError
from keras_reprogram.losses import MaskedMeanSquaredError
from tests.gradients import gradient

KINDS = {MaskedMeanSquaredError: np.square, MaskedMeanAbsoluteError: np.abs}


def data():
    generator = np.random.default_rng(0)
    y, y_pred = generator.normal(size=(2, 4, 5, 3)).astype("float32")
    y[generator.random(y.shape) < 0.4] = np.nan
    return y, y_pred


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_mean_over_known_targets(kind):
    y, y_pred = data()
    expected = np.nanmean(KINDS[kind](y - y_pred))
    found = float(ops.convert_to_numpy(kind()(y, y_pred)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    weights = np.array([1.0, 0.0, 2.0, 0.5])[:, None] * np.ones((4, 5))
    found = float(ops.convert_to_numpy(kind()(y, y_pred, weights)))
    errors = KINDS[kind](y - y_pred) * weights[..., None]
    np.testing.assert_allclose(found, np.nanmean(errors), rtol=1e-5)
    assert kind.from_config(kind(name="error").get_config()).name == "error"


@pytest.mark.parametrize("kind", KINDS)
def test_one_target_may_lack_its_axis(kind):
    y, y_pred = data()
    found = kind()(y[:, 0, 0], y_pred[:, 0, :1])
    expected = np.nanmean(KINDS[kind](y[:, 0, 0] - y_pred[:, 0, 0]))
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_of_missing_targets_have_no_gradient(kind):
    y, y_pred = data()
    missing = np.isnan(y)
    y_pred[missing] = np.inf
    found = ops.convert_to_numpy(gradient(lambda x: kind()(y, x), y_pred))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[missing], 0.0)
    assert (found[~missing] != 0).all()
    nothing = kind()(np.full_like(y, np.nan), y_pred)
    assert float(ops.convert_to_numpy(nothing)) == 0.0
