import numpy as np
import pytest

from keras_reprogram.outputs.channel_scale import channel_scale


@pytest.mark.numpy_alone
def test_the_scale_is_the_deviation_of_each_channel_by_weight():
    values = np.random.default_rng(0).normal(size=(6, 4, 2)) * [1, 5]
    weights = np.array([1, 1, 0, 2, 1, 1])
    repeated = np.repeat(values, weights, axis=0).reshape(-1, 2)
    batches = [
        (None, values[part], weights[part])
        for part in (slice(0, 3), slice(3, 6))
    ]
    np.testing.assert_allclose(
        channel_scale(batches, 2), repeated.std(axis=0), rtol=1e-5
    )


@pytest.mark.numpy_alone
def test_no_data_are_refused():
    with pytest.raises(ValueError, match="at least one sample"):
        channel_scale([], 2)
