import numpy as np
import pytest
from keras import ops

from keras_reprogram import LabelMapper
from keras_reprogram.outputs.targets import IGNORED
from keras_reprogram.outputs.targets import INTEGERS
from keras_reprogram.outputs.targets import BinaryTargets
from keras_reprogram.outputs.targets import ClassTargets
from keras_reprogram.outputs.targets import LabelFormat
from keras_reprogram.outputs.targets import NumberTargets
from keras_reprogram.outputs.targets import divided


def test_labels_of_other_positions_are_a_value_error():
    mapper = LabelMapper(3)
    mapper.build((None, 5, 6))
    missing = np.full((4, 5), -1)
    mapper.targets.check(missing, LabelFormat(sparse=True, ignored=-1))
    # No backend has the loss of a label that is none.
    with pytest.raises(ValueError, match="ignore_class=-1.*Received: 20 of"):
        mapper.targets.check(missing, INTEGERS)
    for labels in (np.zeros(4, int), np.zeros((4, 5, 3), int)):
        with pytest.raises(ValueError, match="position.*Received: "):
            mapper.targets.check(labels, INTEGERS)
    with pytest.raises(ValueError, match="Received: "):
        mapper.targets.check(np.full((4, 5), 3), INTEGERS)


def valid(targets, labels, form=INTEGERS):
    found = targets.valid(ops.convert_to_tensor(labels), form)
    return None if found is None else ops.convert_to_numpy(found).tolist()


def test_valid_labels_of_a_step():
    classes = ClassTargets(3)
    labels = np.array([0, 2, 3, -1], "int32")
    assert valid(classes, labels) == [True, True, False, False]
    assert valid(classes, labels, LabelFormat(True, -1))[3]
    assert valid(classes, labels, LabelFormat()) is None
    halves = np.array([0.0, 1.5, np.nan], "float32")
    assert valid(classes, halves) == [True, False, False]
    binary = np.array([[0.0, 1.0, np.nan, 0.5]], "float32")
    assert valid(BinaryTargets(4), binary) == [[True, True, True, False]]
    numbers = np.array([[1.0, np.inf]], "float32")
    assert valid(NumberTargets((2,)), numbers) == [[True, False]]


@pytest.mark.numpy_alone
def test_an_ignored_label_and_a_row_of_zeros_become_no_class():
    classes = ClassTargets(3)
    found = classes.standardized(np.array([0, -1]), LabelFormat(True, -1))
    assert found.tolist() == [0, IGNORED]
    one_hot = np.array([[0, 1, 0], [0, 0, 0]])
    found = classes.standardized(one_hot, LabelFormat())
    assert found.tolist() == [1, IGNORED]


def test_numbers_are_divided_by_the_scale_of_their_target():
    y, y_pred = divided(
        np.array([[2.0, 30.0]]), np.ones((1, 2), "float32"), [2.0, 10.0]
    )
    np.testing.assert_allclose(ops.convert_to_numpy(y), [[1, 3]])
    np.testing.assert_allclose(ops.convert_to_numpy(y_pred), [[0.5, 0.1]])
    # The axis of one target may be left out.
    y, _ = divided(np.array([2.0, 4.0]), np.ones((2, 1), "float32"), [2.0])
    assert ops.convert_to_numpy(y).tolist() == [[1], [2]]


def test_a_number_of_nan_is_missing_where_the_loss_leaves_it_out():
    numbers = NumberTargets((2,))
    labels = np.array([[1.0, np.nan], [2.0, 3.0]])
    masked = LabelFormat(allows_missing=True)
    with pytest.raises(ValueError, match="MaskedMeanSquaredError"):
        numbers.check(labels, LabelFormat())
    numbers.check(labels, masked)
    with pytest.raises(ValueError, match="infinity"):
        numbers.check(labels + np.array([0, -np.inf]), masked)
    labels[1, 1] = np.inf
    for form, expected in (
        (masked, [[True, True], [True, False]]),
        (LabelFormat(), [[True, False], [True, False]]),
    ):
        found = numbers.valid(ops.convert_to_tensor(labels), form)
        assert ops.convert_to_numpy(found).tolist() == expected
