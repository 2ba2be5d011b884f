import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.scaling import Scaling
from keras_reprogram.inputs.images.scaling import check_factors

AXES = Axes(3, "channels_last")
VALUES = np.random.default_rng(0).random((2, 2, 2, 3)).astype("float32")


@pytest.mark.parametrize("value_range", [None, (0.0, 255.0), (-1.0, 1.0)])
@pytest.mark.parametrize(
    "scale, offset", [(None, None), (0.5, -2), ([1.0, -2, 0.1], [0.0, 1, 2])]
)
def test_a_range_and_its_scaling_are_one_step(value_range, scale, offset):
    scaling = Scaling.of_range(value_range, scale, offset, AXES)
    low, high = value_range or (0, 1)
    scale = 1 if scale is None else np.array(scale)
    offset = 0 if offset is None else np.array(offset)
    expected = scale * (low + (high - low) * VALUES) + offset
    found = ops.convert_to_numpy(scaling.apply(VALUES, "float32"))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    # A difference of values is not moved.
    other = ops.convert_to_numpy(scaling.apply(0 * VALUES, "float32"))
    np.testing.assert_allclose(
        ops.convert_to_numpy(scaling.scale(VALUES, "float32")),
        found - other,
        rtol=1e-4,
        atol=1e-4,
    )


def test_values_are_clipped_to_the_range_of_each_channel():
    scaling = Scaling.of_range((0.0, 2.0), [1.0, -1, 0], [0.0, 0, 5], AXES)
    low, high = scaling.valid_range
    assert (low.ravel().tolist(), high.ravel().tolist()) == (
        [0, -2, 5],
        [2, 0, 5],
    )
    values = np.array([[[[9.0, 9, 9], [-9, -9, -9]]]], "float32")
    found = ops.convert_to_numpy(scaling.clip(values, "float32"))
    np.testing.assert_array_equal(found, [[[[2, 0, 5], [0, -2, 5]]]])


@pytest.mark.numpy_alone
def test_factors_are_a_number_or_one_for_each_channel():
    assert check_factors("scale", None) is None
    assert check_factors("scale", 2, 3) == 2
    assert check_factors("scale", np.array([1, 2, 3]), 3) == [1, 2, 3]
    for values in ([1, 2], [[1, 2, 3]], "one", np.nan, [1, np.inf, 2], True):
        with pytest.raises(ValueError, match="Received: scale="):
            check_factors("scale", values, 3)
