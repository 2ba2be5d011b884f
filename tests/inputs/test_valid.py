import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import valid


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_rows_that_hold_a_number_that_is_none_are_named(dtype):
    samples = np.zeros((3, 2, 2))
    samples[1, 0, 1], samples[2, 1, 1] = np.nan, -np.inf
    samples = ops.cast(ops.convert_to_tensor(samples), dtype)
    found = ops.convert_to_numpy(valid.finite_rows(samples))
    assert found.tolist() == [True, False, False]


def test_nan_may_mark_a_missing_value_and_infinity_may_not():
    samples = np.zeros((3, 2), "float32")
    samples[1, 0], samples[2] = np.nan, [np.nan, np.inf]
    found = ops.convert_to_numpy(valid.finite_rows(samples, allow_nan=True))
    assert found.tolist() == [True, True, False]


def test_integers_are_always_finite():
    assert valid.finite_rows(ops.ones((3, 2), "uint8")) is None


def test_rows_are_known_if_all_of_their_tokens_are():
    tokens = ops.convert_to_tensor(np.array([[0, 4], [5, 0], [1, -1]], "int32"))
    assert ops.convert_to_numpy(valid.known_rows(tokens, 5)).tolist() == [
        True,
        False,
        False,
    ]
    assert ops.convert_to_numpy(valid.known_tokens(tokens, 5)).tolist() == [
        [True, True],
        [False, True],
        [True, False],
    ]
