import ml_dtypes
import numpy as np
import pytest

from keras_reprogram.selection.arrays import arrays_of

pytestmark = pytest.mark.numpy_alone

IMAGES = np.arange(24.0).reshape(6, 2, 2, 1)
LABELS = np.arange(6) % 2


def test_batches_are_what_their_arrays_are():
    weights = np.arange(6.0)
    batches = [
        (IMAGES[:4], LABELS[:4], weights[:4, None]),
        (IMAGES[4:], LABELS[4:], weights[4:]),
    ]
    for found, expected in zip(
        arrays_of(batches, None, None, 32),
        arrays_of(IMAGES, LABELS, weights, 4),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_samples_without_weights_weigh_1():
    batches = [(IMAGES[:4], LABELS[:4]), (IMAGES[4:], LABELS[4:], [2.0, 2.0])]
    *_, weights = arrays_of(batches, None, None, 32)
    np.testing.assert_array_equal(weights, [1, 1, 1, 1, 2, 2])


def test_samples_may_be_of_any_numbers():
    for dtype in ("bool", "uint8", "int64", "float16", ml_dtypes.bfloat16):
        samples, *_ = arrays_of(IMAGES.astype(dtype), LABELS, None, 32)
        assert samples.shape == IMAGES.shape


@pytest.mark.parametrize(
    ("x", "y", "sample_weight", "message"),
    [
        (IMAGES, None, None, "pass `y`"),
        (IMAGES, LABELS[:5], None, "6 samples and `y` of shape"),
        (IMAGES, LABELS, np.ones(3), "6 samples and `sample_weight`"),
        (IMAGES, LABELS, 2.0, "`sample_weight` of shape"),
        (IMAGES[:0], LABELS[:0], None, "no batches"),
        (list(IMAGES), LABELS, None, "np.stack"),
        (np.array([[1], [1, 2]], object), LABELS[:2], None, "resize or pad"),
        ([(IMAGES, LABELS)] * 2, LABELS, None, "yields batches"),
        ([(IMAGES, LABELS)] * 2, None, np.ones(6), "yields batches"),
        ([(IMAGES, LABELS[:2])] * 2, None, None, "each of its samples"),
        (list(zip(IMAGES, LABELS)), None, None, "single samples"),
        ([(0.0, 1), (0.0, 1)], None, None, "single samples"),
        ([({"a": IMAGES, "b": IMAGES}, LABELS)] * 2, None, None, "one array"),
        ([(IMAGES, LABELS), (IMAGES[:, :1], LABELS)], None, None, "one shape"),
        ([(IMAGES, LABELS), (IMAGES, np.eye(2)[LABELS])], None, None, "shape"),
    ],
)
def test_data_that_cannot_be_compared_are_value_errors(
    x, y, sample_weight, message
):
    with pytest.raises(ValueError, match=message):
        arrays_of(x, y, sample_weight, 32)
