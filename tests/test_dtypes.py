import keras
import ml_dtypes
import numpy as np
import pytest
from keras import ops

from keras_reprogram import dtypes

HIGHEST = 2**31 - 1


@pytest.mark.parametrize(
    "dtype, expected",
    [("float16", True), ("bfloat16", True), ("int32", False), ("bool", False)],
)
def test_floats_are_told_from_others(dtype, expected):
    assert dtypes.is_float(ops.zeros(2, dtype)) is expected
    assert dtypes.is_number(ops.zeros(2, dtype))


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "array, expected",
    [
        (np.zeros(2, ml_dtypes.bfloat16), True),
        (np.zeros(2, "uint64"), True),
        (np.zeros(2, "bool"), True),
        (np.array(["a"]), False),
        (np.array([None]), False),
        (np.zeros(2, "complex64"), False),
        (np.zeros(2, "datetime64[s]"), False),
    ],
)
def test_arrays_of_numbers_are_told_from_others(array, expected):
    assert dtypes.is_number(array) is expected


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
def test_integers_of_any_dtype_can_be_compared(dtype):
    values = ops.convert_to_tensor(np.array([0, 5, 100], dtype))
    found = ops.convert_to_numpy(dtypes.comparable(values) < 6)
    assert found.tolist() == [True, True, False]


@pytest.mark.numpy_alone
def test_integers_that_would_wrap_become_the_largest():
    values = [2**40, -(2**40), 2**31, 7, -7]
    expected = [HIGHEST] * 3 + [7, -7]
    array = np.array(values, "int64")
    assert dtypes.within_int32(array).tolist() == expected
    assert dtypes.within_int32(array).dtype == "int32"
    tensor = dtypes.within_int32(ops.convert_to_tensor(array))
    assert ops.convert_to_numpy(tensor).tolist() == expected
    for same in (np.zeros(2, "uint8"), keras.KerasTensor((2,), "int64")):
        assert dtypes.within_int32(same) is same


@pytest.mark.numpy_alone
def test_numbers_of_a_user_are_an_array_or_a_tensor():
    tensor = ops.ones((1, 2))
    assert dtypes.numbers_of("x", tensor, "") is tensor
    for values in ([[1, 2]], ((1, 2),), np.array([[1, 2]])):
        found = dtypes.numbers_of("x", values, "")
        np.testing.assert_array_equal(found, [[1, 2]])
    for values in ([[1], [1, 2]], [["a"]], None, [[None]], {}, [[1j]]):
        with pytest.raises(ValueError, match="`x` must.* Help. Received: x of"):
            dtypes.numbers_of("x", values, "Help.")
