import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import StateMatrix

STATES = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")


def built(width=5, **settings):
    layer = StateMatrix(**settings)
    layer.build((None, 3, 4, width))
    return layer


def test_it_starts_as_the_identity_within_the_limit():
    layer = built(limit=1.5)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.matrix), np.eye(5))
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(STATES)), np.clip(STATES, -1.5, 1.5)
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(built(limit=None)(STATES)), STATES
    )


def test_states_are_multiplied_by_a_symmetric_matrix():
    layer = built(limit=3.0)
    upper = np.random.default_rng(1).normal(size=15).astype("float32")
    layer.offset.assign(upper)
    expected = np.zeros((5, 5))
    expected[np.triu_indices(5)] = upper
    expected = expected + np.triu(expected, 1).T + np.eye(5)
    found = ops.convert_to_numpy(layer.matrix)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(STATES)),
        np.clip(STATES @ expected, -3.0, 3.0),
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_scaled_offset_interpolates_to_the_identity():
    layer = built()
    layer.offset.assign(np.arange(15.0))
    whole = ops.convert_to_numpy(layer.matrix)
    layer.offset.assign(0.25 * layer.offset)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer.matrix),
        np.eye(5) + 0.25 * (whole - np.eye(5)),
    )


@pytest.mark.numpy_alone
def test_a_limit_that_is_no_positive_number_is_a_value_error():
    for limit in (0, -3.0, "three", float("inf")):
        with pytest.raises(ValueError, match="`limit`"):
            StateMatrix(limit)
