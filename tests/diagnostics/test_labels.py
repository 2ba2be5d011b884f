import numpy as np
import pytest

from keras_reprogram.diagnostics.labels import checked_features
from keras_reprogram.diagnostics.labels import class_indices
from keras_reprogram.diagnostics.labels import target_columns

pytestmark = pytest.mark.numpy_alone

CLASSES = np.array([0, 1, 2, 1])


@pytest.mark.parametrize(
    "labels",
    [
        CLASSES,
        CLASSES[:, None],
        CLASSES + 7,
        CLASSES.astype("uint8"),
        np.array(["a", "b", "c", "b"]),
        np.array(["a", "b", "c", "b"], object),
        np.eye(3)[CLASSES],
        np.eye(3, dtype="float32")[CLASSES],
        CLASSES.tolist(),
    ],
)
def test_classes_are_numbered(labels):
    np.testing.assert_array_equal(class_indices(labels), CLASSES)
    np.testing.assert_array_equal(target_columns(labels), np.eye(3)[CLASSES])


def test_numbers_and_binary_targets_are_columns():
    numbers = np.array([0.5, 1.0, -2.0])
    assert class_indices(numbers) is None
    np.testing.assert_array_equal(target_columns(numbers), numbers[:, None])
    binary = np.array([[0, 1], [1, 1], [0, 0]])
    assert class_indices(binary) is None
    np.testing.assert_array_equal(target_columns(binary), binary)


def test_classes_as_floating_point_numbers_warn():
    with pytest.warns(UserWarning, match="astype"):
        target_columns(np.arange(12.0) % 3)


@pytest.mark.parametrize(
    "labels",
    [np.zeros(4, int), np.zeros((4, 2, 2)), np.zeros((4, 2), complex)],
)
def test_other_labels_raise(labels):
    with pytest.raises(ValueError, match="Received: labels"):
        target_columns(labels)


def test_labels_with_nan_raise():
    with pytest.raises(ValueError, match="NaN"):
        target_columns(np.array([0.5, np.nan, 1.5]))


@pytest.mark.parametrize(
    "features",
    [
        np.ones(4),
        np.ones((3, 2)),
        np.ones((4, 0)),
        np.full((4, 2), np.nan),
        np.array([["a"]] * 4),
    ],
)
def test_features_must_be_finite_rows_of_numbers(features):
    with pytest.raises(ValueError, match="Received: "):
        checked_features(features, CLASSES)


def test_one_sample_raises():
    with pytest.raises(ValueError, match="at least 2"):
        checked_features(np.ones((1, 2)), CLASSES[:1])
