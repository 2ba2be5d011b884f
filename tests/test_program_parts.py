import gc

import keras
import pytest

from keras_reprogram.program_parts import INTEGER
from keras_reprogram.program_parts import ExpectedVariable
from keras_reprogram.program_parts import check_new
from keras_reprogram.program_parts import check_size
from keras_reprogram.program_parts import claim

pytestmark = pytest.mark.numpy_alone


@pytest.mark.parametrize(
    "expected, shape, dtype, admitted",
    [
        (ExpectedVariable((2, 3)), (2, 3), "float", True),
        (ExpectedVariable((2, 3)), (3, 2), "float", False),
        (ExpectedVariable((2, 3)), (2, 3, 1), "float", False),
        (ExpectedVariable((2, 3)), (2, 3), INTEGER, False),
        (ExpectedVariable((2,), INTEGER), (2,), INTEGER, True),
        (ExpectedVariable((None, 3), largest=9), (3, 3), "float", True),
        (ExpectedVariable((None, 3), largest=9), (4, 3), "float", False),
        (ExpectedVariable((None, 3)), (1, 3), "float", False),
        (ExpectedVariable(()), (), "float", True),
    ],
)
def test_a_variable_of_a_file_is_the_expected_one(
    expected, shape, dtype, admitted
):
    assert expected.admits(shape, dtype) == admitted


def test_a_size_is_that_of_all_numbers():
    assert check_size((2, 3), 6) == 6
    assert check_size((), 1) == 1
    assert check_size((0, 5), 5) == 0


@pytest.mark.parametrize(
    "shape", [(2, 4), (7,), (-1, 2), (True, 2), (2.0,), (None,), (0, 9)]
)
def test_a_size_that_is_absurd_is_a_value_error(shape):
    with pytest.raises(ValueError, match="absurd"):
        check_size(shape, 6)


def test_a_part_belongs_to_one_layer_as_long_as_that_is_there():
    part, owner, other = (keras.layers.Dense(2) for _ in range(3))
    claim(part, owner)
    claim(part, owner)
    with pytest.raises(ValueError, match="one place.* new one.*Received: "):
        claim(part, other)
    del owner
    gc.collect()
    claim(part, other)
    check_new(part)
    part.build((None, 3))
    with pytest.raises(ValueError, match="one place.* new one.*Received: "):
        check_new(part)
