import numpy as np
import pytest
from keras import ops

from keras_reprogram.losses import PinballLoss
from keras_reprogram.losses.pinball import check_quantiles

QUANTILES = (0.1, 0.5, 0.9)


def value(loss, *arguments):
    return float(ops.convert_to_numpy(loss(*arguments)))


def test_the_loss_is_the_closed_form():
    generator = np.random.default_rng(0)
    y = generator.normal(size=(4, 5, 2)).astype("float32")
    y_pred = generator.normal(size=(4, 5, 2, 3)).astype("float32")
    difference = y[..., None] - y_pred
    quantiles = np.array(QUANTILES)
    expected = np.where(
        difference > 0, quantiles * difference, (quantiles - 1) * difference
    )
    loss = PinballLoss(QUANTILES)
    np.testing.assert_allclose(value(loss, y, y_pred), expected.mean(), 1e-5)
    median = value(PinballLoss([0.5]), y, y_pred[..., 1:2])
    np.testing.assert_allclose(
        median, 0.5 * np.abs(y - y_pred[..., 1]).mean(), rtol=1e-5
    )
    y[0, :, 1] = y[2, 3, 0] = np.nan
    assert np.isnan(value(loss, y, y_pred))
    masked = PinballLoss(QUANTILES, missing_values="mask")
    copy = PinballLoss.from_config(masked.get_config())
    expected[np.isnan(y)] = np.nan
    np.testing.assert_allclose(
        value(copy, y, y_pred), np.nanmean(expected), rtol=1e-5
    )


def test_the_quantiles_of_a_sample_have_the_smallest_loss():
    y = np.random.default_rng(0).exponential(size=999).astype("float32")
    best = np.quantile(y, QUANTILES)
    loss = PinballLoss(QUANTILES)
    smallest = value(loss, y, np.tile(best, (999, 1)))
    for index in range(3):
        for step in (-0.1, 0.1):
            other = best.copy()
            other[index] += step
            assert value(loss, y, np.tile(other, (999, 1))) > smallest


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "quantiles",
    [(), (0.0, 0.5), (0.5, 1.0), (0.5, 0.1), (0.5, 0.5), "0.5", [None], [2]],
)
def test_what_are_no_quantiles_is_a_value_error(quantiles):
    with pytest.raises(ValueError, match="quantiles"):
        check_quantiles(quantiles)


@pytest.mark.numpy_alone
def test_predictions_without_quantiles_are_a_value_error():
    loss = PinballLoss(QUANTILES)
    for y, y_pred in [
        (np.ones(4), np.ones((4, 2))),
        (np.ones((4, 3)), np.ones((4, 3))),
        (np.ones((4, 2)), np.ones((4, 2, 1, 3))[:, 0]),
    ]:
        with pytest.raises(ValueError, match="Received: "):
            loss(y, y_pred)
    with pytest.raises(ValueError, match="missing_values"):
        PinballLoss(QUANTILES, missing_values="interpolate")
