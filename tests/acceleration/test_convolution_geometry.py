import itertools

import numpy as np
import pytest

from keras_reprogram.acceleration.convolution_geometry import Axis
from keras_reprogram.acceleration.convolution_geometry import kernel_offsets

pytestmark = pytest.mark.numpy_alone

AXES = [
    Axis(*sizes, padding)
    for *sizes, padding in itertools.product(
        (5, 9), (1, 2, 5), (1, 2, 3), (1, 2), ("same", "valid")
    )
]
AXES = [axis for axis in AXES if axis.output_length > 0]


def inputs_of(axis, output, offset):
    """The input that a kernel element multiplies for one output."""
    before, _ = axis.padding_sizes
    return output * axis.stride + offset * axis.dilation - before


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_slices_are_the_definition_of_a_convolution(axis):
    before, after = axis.padding_sizes
    assert 0 <= after - before <= 1
    padded = np.arange(-before, axis.length + after)
    grouped = axis.num_groups * axis.stride
    output_before, output_after = axis.output_padding_sizes
    outputs = np.arange(-output_before, axis.output_length + output_after)
    for offset in range(axis.kernel_size):
        wanted = [
            inputs_of(axis, output, offset)
            for output in range(axis.output_length)
        ]
        assert padded[axis.input_slice(offset)].tolist() == wanted
        inside = [0 <= position < axis.length for position in wanted]
        assert axis.overlaps(offset) == any(inside)
        # Each group's input of this phase gets the gradient of one output.
        phase = np.arange(grouped)[axis.phase(offset) :: axis.stride] - before
        found = outputs[axis.output_slice(offset)]
        assert len(found) == axis.num_groups
        np.testing.assert_array_equal(
            phase, [inputs_of(axis, output, offset) for output in found]
        )


@pytest.mark.parametrize(
    "axis, expected",
    [
        (Axis(8, 2, 2, 1, "valid"), True),
        (Axis(9, 2, 2, 1, "valid"), False),
        (Axis(8, 3, 2, 1, "same"), False),
        (Axis(8, 2, 2, 2, "same"), False),
    ],
)
def test_patches_cover_every_input_once(axis, expected):
    assert axis.is_patches == expected


def test_elements_that_meet_only_padding_are_left_out():
    axis = Axis(1, 3, 1, 1, "same")
    assert list(kernel_offsets([axis])) == [(1,)]
    assert list(kernel_offsets([axis, Axis(3, 2, 1, 1, "valid")])) == [
        (1, 0),
        (1, 1),
    ]
