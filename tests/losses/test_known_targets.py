import numpy as np
import pytest
from keras import ops

from keras_reprogram.losses import known_targets


def test_targets_take_the_shape_of_predictions():
    found, known = known_targets.known_targets(np.array([1, np.nan]), (2, 1))
    assert ops.convert_to_numpy(found).tolist() == [[1.0], [0.0]]
    assert ops.convert_to_numpy(known).tolist() == [[True], [False]]
    for shape in [(2, 2), (2, 3, 1), (3,), (2, 1, 1)]:
        with pytest.raises(ValueError, match="Received: targets of shape"):
            known_targets.known_targets(np.ones(2), shape)


def test_the_mean_of_counted_errors_is_that_of_the_known_ones():
    errors = np.array([[1.0, 2.0, np.nan], [4.0, np.inf, 6.0]], "float32")
    known = np.array([[1, 1, 0], [1, 0, 1]], bool)
    found = ops.convert_to_numpy(known_targets.counted(errors, known))
    np.testing.assert_allclose(found.mean(), 13 / 4)
    nothing = known_targets.counted(errors, np.zeros_like(known))
    np.testing.assert_array_equal(ops.convert_to_numpy(nothing), 0.0)
