from functools import partial

import numpy as np
import pytest
from placing import place

from keras_reprogram.inputs import ChannelConcatenation
from keras_reprogram.inputs import FeatureMosaic
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import Resize
from keras_reprogram.inputs import ScaledPad
from keras_reprogram.inputs import Tile
from keras_reprogram.inputs import TokenPatches
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.canvas import Canvas

INTERPOLATIONS = ("bilinear", "nearest", "bicubic")

MATRICES = [
    *[
        (placement(interpolation=name), sample, canvas, data_format)
        for name in INTERPOLATIONS
        for placement, sample, canvas, data_format in [
            (Resize, (5, 8, 3), (9, 8, 3), "channels_last"),
            (Resize, (3, 9, 5), (3, 6, 11), "channels_first"),
            (Resize, (4, 6), (9, 5), "no_channels"),
            (Resize, (3, 4, 5, 2), (5, 4, 3, 2), "channels_last"),
            (Resize, (7,), (20,), "channels_last"),
            (Resize, (20, 2), (9, 2), "channels_last"),
            (partial(Pad, 6), (5, 8, 1), (9, 8, 3), "channels_last"),
            (
                partial(Pad, (4, 7), (1, 0)),
                (1, 5, 5),
                (3, 9, 8),
                "channels_first",
            ),
            (partial(Tile, 2, 9), (7,), (20,), "channels_last"),
            (partial(Tile, None, 4), (7, 2), (17, 2), "channels_last"),
            (partial(FeatureMosaic, 6), (4, 3), (8, 7), "no_channels"),
        ]
    ],
    (Pad(), (5, 8, 3), (9, 8, 3), "channels_last"),
    (Pad(offset=(3,)), (5,), (9,), "channels_last"),
    (Tile(3), (5, 1), (18, 1), "channels_last"),
    (ChannelConcatenation(Tile(2, 3)), (5,), (9,), "channels_last"),
    (ChannelConcatenation("resize"), (1, 5), (1, 9), "channels_first"),
    (ScaledPad(4, 1.3), (5, 8, 1), (9, 8, 1), "channels_last"),
    (ScaledPad(None, 0.7), (7,), (20,), "channels_last"),
]


@pytest.mark.parametrize(
    "placement, shape, canvas_shape, data_format", MATRICES
)
def test_matrices_are_what_a_placement_does(
    placement, shape, canvas_shape, data_format
):
    axes = Axes(len(shape), data_format)
    mask = placement.data_mask(shape, canvas_shape, axes)
    if not placement.built:
        placement.build_on(Canvas(canvas_shape, axes, mask))
    samples = np.random.default_rng(0).random((2, *shape))
    expected = samples
    matrices = placement.matrices(shape, canvas_shape, axes)
    assert [matrix.shape for matrix in matrices] == [
        (canvas_shape[axis], shape[axis]) for axis in axes.spatial
    ]
    for axis, matrix in zip(axes.spatial, matrices):
        expected = np.moveaxis(
            np.tensordot(expected, matrix, (axis + 1, 1)), -1, axis + 1
        )
    np.testing.assert_allclose(
        place(placement, samples, canvas_shape, data_format),
        expected,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "placement, shape, canvas_shape",
    [
        (Resize(), (None, None, 1), (8, 8, 3)),
        (Pad(inner_size=4), (None, 5, 1), (8, 8, 3)),
        (ScaledPad(4), (None, None, 1), (8, 8, 3)),
        (ChannelConcatenation(), (4, 2), (16,)),
        (FeatureMosaic(), (5,), (8, 8, 3)),
        (FeatureMosaic(), (4, 6), (8, 8, 3)),
        (TokenPatches(3, patch_size=2), (4,), (8, 8, 3)),
    ],
)
def test_what_is_no_matrix_along_each_axis_has_none(
    placement, shape, canvas_shape
):
    axes = Axes(len(canvas_shape), "channels_last")
    assert placement.matrices(shape, canvas_shape, axes) is None


@pytest.mark.parametrize(
    "placement, shape",
    [(ScaledPad(4), (5, 5, 3)), (TokenPatches(3, patch_size=2), (9,))],
)
def test_where_data_are_is_no_reason_to_create_weights(placement, shape):
    axes = Axes(3, "channels_last")
    first = placement.data_mask(shape, (8, 8, 3), axes)
    assert not placement.weights and not placement.built
    placement.build_on(Canvas((8, 8, 3), axes, first))
    again = placement.data_mask(shape, (8, 8, 3), axes)
    np.testing.assert_array_equal(first, again)
    assert len(placement.weights) == 1 and placement.is_trained
    placement.trainable = False
    assert not placement.is_trained
    copy = type(placement).from_config(placement.get_config())
    assert copy.get_config() == placement.get_config()
