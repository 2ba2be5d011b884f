import numpy as np
import pytest

from keras_reprogram.outputs.label_weights import ClassWeights
from keras_reprogram.outputs.label_weights import check_weights
from keras_reprogram.outputs.label_weights import weights_of_shape
from keras_reprogram.outputs.label_weights import with_weights
from keras_reprogram.outputs.targets import IGNORED
from keras_reprogram.outputs.targets import BinaryTargets
from keras_reprogram.outputs.targets import ClassTargets
from keras_reprogram.outputs.targets import NumberTargets

pytestmark = pytest.mark.numpy_alone

CLASSES = ClassTargets(4)
LABELS = np.array([0, 0, 0, 1, 2, 2])


def balanced(targets, labels, weights=None):
    return ClassWeights.balanced(targets, [(labels, weights)])


def test_balanced_weights_are_scikit_learns():
    compute_class_weight = pytest.importorskip(
        "sklearn.utils.class_weight"
    ).compute_class_weight
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    found = balanced(CLASSES, LABELS)
    np.testing.assert_allclose(found.values, [*expected, 1.0])
    assert found.of_labels(LABELS).mean() == pytest.approx(1.0)


def test_balanced_weights_count_samples_by_their_weights():
    counts = np.array([0, 2, 1, 3, 1, 1])
    repeated = balanced(CLASSES, np.repeat(LABELS, counts))
    found = balanced(CLASSES, LABELS, counts)
    np.testing.assert_allclose(found.values, repeated.values)
    sums = np.bincount(LABELS, found.of_samples(LABELS, counts))
    np.testing.assert_allclose(sums, sums[0])


def test_zeros_and_ones_of_each_binary_target_have_the_same_sum():
    labels = np.array([[1, 0, 0], [0, np.nan, 0], [0, 1, 0], [0, 0, np.nan]])
    weights = balanced(BinaryTargets(3), labels).of_labels(labels)
    for target in range(2):
        column = labels[:, target]
        sums = [weights[column == value, target].sum() for value in (0, 1)]
        np.testing.assert_allclose(sums, (~np.isnan(column)).sum() / 2)
    # A target of one kind keeps its weights.
    np.testing.assert_array_equal(weights[:, 2], 1.0)


def test_missing_and_ignored_labels_are_no_class():
    targets = ClassTargets(2, (3,))
    labels = np.array([[0, 1, -1], [1, 1, IGNORED]])
    found = balanced(targets, labels)
    np.testing.assert_allclose(found.values, [2.0, 2 / 3])
    np.testing.assert_allclose(
        found.of_samples(labels, [1.0, 3.0]),
        [[2, 2 / 3, 1], [2, 2, 3]],
    )


def test_classes_that_a_dictionary_leaves_out_have_a_weight_of_1():
    found = ClassWeights.given({np.int64(2): 3, 0: 0.0}, CLASSES)
    np.testing.assert_array_equal(found.values, [0, 1, 3, 1])


@pytest.mark.parametrize(
    "class_weight, message",
    [
        ({4: 1.0}, "integers from 0 to 3.*the class 4"),
        ({-1: 1.0}, "the class -1"),
        ({"cat": 1.0}, "the class 'cat'"),
        ({0.5: 1.0}, "the class 0.5"),
        ({True: 1.0}, "the class True"),
        ({0: -1.0}, "at least 0.*-1.0"),
        ({0: np.nan}, "finite"),
        ({0: "heavy"}, "must be numbers"),
        ({0: [1.0, 2.0]}, "one number"),
        ([1.0, 2.0], "a dictionary"),
    ],
)
def test_class_weights_that_are_none_are_value_errors(class_weight, message):
    with pytest.raises(ValueError, match=message) as error:
        ClassWeights.given(class_weight, CLASSES)
    assert "Received: " in str(error.value)


def test_numbers_and_binary_targets_have_no_weights_of_classes():
    with pytest.raises(ValueError, match="Numbers have no classes"):
        ClassWeights.given({0: 1.0}, NumberTargets((1,)))
    with pytest.raises(ValueError, match="Numbers have no classes"):
        balanced(NumberTargets((1,)), np.zeros((2, 1)))
    with pytest.raises(ValueError, match="does not weight binary targets"):
        ClassWeights.given({0: 1.0}, BinaryTargets(2))


def test_weights_are_of_the_first_axes():
    weights = np.arange(2.0)
    expected = np.repeat(weights, 3).reshape(2, 3)
    for given in (weights, weights[:, None], expected, expected[..., None]):
        np.testing.assert_array_equal(weights_of_shape(given, (2, 3)), expected)
    np.testing.assert_array_equal(
        weights_of_shape(weights[:, None], (2, 1)), weights[:, None]
    )


@pytest.mark.parametrize(
    "weights, message",
    [
        (np.ones(3), r"shape \(3,\) for labels of shape \(2, 3\)"),
        (np.ones((2, 2)), "one weight for each"),
        (1.0, "one weight for each"),
        ([1.0, -1.0], "at least 0"),
        ([1.0, np.inf], "finite"),
        (["a", "b"], "must be numbers"),
    ],
)
def test_weights_that_are_none_are_value_errors(weights, message):
    with pytest.raises(ValueError, match=message):
        weights_of_shape(weights, (2, 3))


def test_weights_may_be_left_out_of_batches():
    assert list(with_weights([(1, 2), (1, 2, None), (1, 2, 3)])) == [
        (1, 2, None),
        (1, 2, None),
        (1, 2, 3),
    ]
    assert check_weights([True, 2]).dtype == "float64"
