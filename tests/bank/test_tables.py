import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram.bank.tables import RowChange
from keras_reprogram.bank.tables import gather_rows
from keras_reprogram.bank.tables import written_or_not

TABLE = np.arange(24, dtype="float32").reshape(4, 3, 2)


def value(table):
    return ops.convert_to_numpy(table.value)


@pytest.mark.parametrize("shape", [(4, 3, 2), (4, 6), (24,)])
def test_rows_are_those_of_the_indices(shape):
    table, indices = TABLE.reshape(shape), np.array([3, 0, 3], "int32")
    found = gather_rows(ops.convert_to_tensor(table), indices)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), table[indices])
    found = gather_rows(keras.Variable(table), indices, "bfloat16")
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    assert tuple(found.shape) == (3, *shape[1:])


def test_a_change_is_written_and_reversed():
    table = keras.Variable(TABLE)
    change = RowChange(table, [2, 0], [np.ones((3, 2)), np.zeros((3, 2))])
    back = change.reverse()
    change.write()
    assert (value(table)[2] == 1).all() and not value(table)[0].any()
    np.testing.assert_array_equal(value(table)[[1, 3]], TABLE[[1, 3]])
    back.write()
    np.testing.assert_array_equal(value(table), TABLE)
    nothing = RowChange(table, [], [])
    nothing.write()
    assert nothing.reverse() is nothing


@pytest.mark.numpy_alone
def test_all_changes_are_brought_back_where_one_thing_fails():
    tables = [keras.Variable(TABLE), keras.Variable(TABLE)]
    changes = [RowChange(table, [1], [np.ones((3, 2))]) for table in tables]
    undone = []
    with pytest.raises(KeyboardInterrupt):
        with written_or_not(changes, lambda: undone.append(1)):
            assert all((value(table)[1] == 1).all() for table in tables)
            raise KeyboardInterrupt
    assert undone
    for table in tables:
        np.testing.assert_array_equal(value(table), TABLE)
    with written_or_not(changes, lambda: undone.append(1)):
        pass
    assert all((value(table)[1] == 1).all() for table in tables)
