from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from keras import ops

from keras_reprogram.inputs import ChannelConcatenation
from keras_reprogram.inputs import FeatureMosaic
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import Resize
from keras_reprogram.inputs import ScaledPad
from keras_reprogram.inputs import Tile
from keras_reprogram.inputs import TokenPatches
from keras_reprogram.inputs.images.axes import Axes
from keras_reprogram.inputs.images.canvas import Canvas


def place(placement, samples, canvas_shape, data_format="channels_last"):
    axes = Axes(samples.ndim - 1, data_format)
    samples = ops.convert_to_tensor(samples.astype("float32"))
    placed = placement.place(samples, canvas_shape, axes)
    return ops.convert_to_numpy(placed)


def data_mask(placement, sample_shape, canvas_shape):
    axes = Axes(len(sample_shape), "channels_last")
    return placement.data_mask(sample_shape, canvas_shape, axes)


@pytest.mark.parametrize(
    "sample, canvas, before, after",
    [(5, 8, 2, 1), (128, 224, 48, 48), (32, 224, 96, 96), (28, 299, 136, 135)],
)
def test_odd_differences_pad_more_before(sample, canvas, before, after):
    mask = data_mask(Pad(), (sample, 1), (canvas, 1))
    inside = np.flatnonzero(mask)
    assert (inside[0], canvas - 1 - inside[-1]) == (before, after)
    assert inside.size == sample


@pytest.mark.parametrize(
    "inner, free", [(128, 101_376), (32, 147_456), (200, 30_528)]
)
def test_free_values_outside_the_data_match_golden(inner, free):
    mask = data_mask(Pad(inner_size=inner), (28, 28, 1), (224, 224, 3))
    assert 3 * (~mask).sum() == free


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(0, 5), st.integers(0, 5)
)
@settings(max_examples=25, deadline=None)
def test_padding_keeps_the_sample_and_zeros_around_it(h, w, more_h, more_w):
    sample = np.arange(1.0, 1 + h * w).reshape(1, h, w, 1)
    canvas_shape = (h + more_h, w + more_w, 1)
    canvas = place(Pad(), sample, canvas_shape)
    mask = data_mask(Pad(), (h, w, 1), canvas_shape)
    np.testing.assert_array_equal(canvas[0, ..., 0][mask], sample.ravel())
    assert not canvas[0, ..., 0][~mask].any()


def test_offset_moves_the_sample():
    sample = np.ones((1, 2, 2, 1))
    canvas = place(Pad(offset=(0, 3)), sample, (5, 5, 1))[0, ..., 0]
    assert canvas[:2, 3:].all() and canvas.sum() == 4


def test_channels_first_is_the_same_picture():
    sample = np.random.default_rng(0).random((2, 3, 5, 4))
    for placement in (Pad(), Pad(inner_size=(6, 7)), Resize()):
        first = place(
            placement, np.moveaxis(sample, -1, 1), (4, 8, 9), "channels_first"
        )
        last = place(placement, sample, (8, 9, 4))
        np.testing.assert_allclose(np.moveaxis(first, 1, -1), last, atol=1e-6)


def test_resizing_a_series_is_linear_interpolation():
    series = np.random.default_rng(0).random((2, 10, 3))
    resized = place(Resize(), series, (25, 3))
    positions = np.clip((np.arange(25) + 0.5) * 10 / 25 - 0.5, 0, 9)
    for sample, row in zip(series, resized):
        for channel in range(3):
            np.testing.assert_allclose(
                row[:, channel],
                np.interp(positions, np.arange(10), sample[:, channel]),
                atol=1e-5,
            )


def test_resizing_one_axis_at_a_time_equals_resizing_an_image():
    image = np.random.default_rng(0).random((2, 5, 6, 1))
    whole = place(Resize(), image, (9, 13, 1))
    split = place(Resize(), image[..., 0], (9, 13), "no_channels")
    np.testing.assert_allclose(split, whole[..., 0], atol=1e-5)


def test_a_volume_and_a_waveform_are_resized():
    assert place(Resize(), np.ones((2, 3, 4, 5, 1)), (6, 6, 6, 1)).shape == (
        (2, 6, 6, 6, 1)
    )
    np.testing.assert_allclose(place(Resize(), np.ones((2, 7)), (20,)), 1.0)


@pytest.mark.parametrize(
    "length, copies, starts",
    [
        (500, 3, [0, 5000, 10000]),
        (140, 10, [1540 * copy for copy in range(10)]),
        (16000, None, [0]),
    ],
)
def test_copies_start_where_voice2series_puts_them(length, copies, starts):
    series = np.arange(1.0, length + 1)[None]
    canvas = place(Tile(copies), series, (16000,))[0]
    assert np.flatnonzero(canvas == 1.0).tolist() == starts
    for start in starts:
        np.testing.assert_array_equal(canvas[start : start + length], series[0])
    mask = data_mask(Tile(copies), (length,), (16000,))
    np.testing.assert_array_equal(canvas != 0, mask)


@pytest.mark.parametrize("copies, steps", [(3, 5), (1, 16), (None, 4)])
def test_copies_of_a_long_series_are_resampled_first(copies, steps):
    series = np.linspace(0.5, 1.5, 64)[None]
    canvas = place(Tile(copies, inner_size=steps), series, (16,))
    short = place(Resize(), series, (steps,))
    np.testing.assert_array_equal(canvas, place(Tile(copies), short, (16,)))
    mask = data_mask(Tile(copies, inner_size=steps), (64,), (16,))
    np.testing.assert_array_equal(canvas[0] != 0, mask)


def test_copies_that_do_not_fit_never_lie_on_each_other():
    with pytest.raises(ValueError, match="inner_size"):
        data_mask(Tile(3), (6000,), (16000,))


@pytest.mark.parametrize("canvas_shape", [(20,), (20, 1)])
@pytest.mark.parametrize(
    "placement", [Pad(), Pad(offset=(7,)), Tile(3), Tile(2, inner_size=9)]
)
@pytest.mark.parametrize(
    "data_format", ["channels_last", "channels_first", "no_channels"]
)
def test_channels_lie_one_after_the_other(placement, canvas_shape, data_format):
    if len(canvas_shape) == 2 and data_format == "channels_first":
        canvas_shape = (1, 20)
    axes = Axes(len(canvas_shape), data_format)
    if axes.channels(canvas_shape) != 1 or len(axes.spatial) != 1:
        return
    first, second = np.array([1.0, 2, 3]), np.array([4.0, 5, 6])
    channels = np.stack([first, second])[None]
    samples = channels if data_format == "channels_first" else channels.mT
    long = np.concatenate([first, second])[None]
    placed = ChannelConcatenation(placement)
    placed.check(samples.shape[1:], canvas_shape, axes)
    canvas = ops.convert_to_numpy(
        placed.place(ops.convert_to_tensor(samples), canvas_shape, axes)
    )
    assert canvas.shape == (1, *canvas_shape)
    np.testing.assert_allclose(canvas.ravel(), place(placement, long, (20,))[0])
    mask = placed.data_mask(samples.shape[1:], canvas_shape, axes)
    np.testing.assert_array_equal(mask, canvas.ravel() != 0)


def test_a_series_of_one_channel_is_placed_as_it_is():
    series = np.arange(1.0, 5.0)[None]
    np.testing.assert_array_equal(
        place(ChannelConcatenation("tile"), series, (8,)),
        place(Tile(), series, (8,)),
    )


@pytest.mark.parametrize(
    "sample_shape, canvas_shape",
    [
        ((4, 2), (16, 3)),
        ((4, 4, 1), (16,)),
        ((None, 2), (16,)),
        ((4, 2), (8, 8, 1)),
    ],
)
def test_channels_that_are_no_series_are_a_value_error(
    sample_shape, canvas_shape
):
    axes = Axes(len(canvas_shape), "channels_last")
    with pytest.raises(ValueError, match="Received: "):
        ChannelConcatenation().check(sample_shape, canvas_shape, axes)


def test_channels_in_time_survive_their_config():
    placement = ChannelConcatenation(Tile(3, inner_size=9))
    config = keras.saving.serialize_keras_object(placement)
    assert keras.saving.deserialize_keras_object(config) == placement


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


@pytest.mark.parametrize(
    "placement, sample_shape, canvas_shape",
    [
        (Pad(), (9, 9, 1), (8, 8, 1)),
        (Pad(inner_size=9), (4, 4, 1), (8, 8, 1)),
        (Pad(inner_size=(4, 4, 4)), (4, 4, 1), (8, 8, 1)),
        (Pad(offset=(5, 0)), (4, 4, 1), (8, 8, 1)),
        (Pad(offset=(0,)), (4, 4, 1), (8, 8, 1)),
        (Pad(), (None, None, 1), (8, 8, 1)),
        (Tile(), (9,), (8,)),
        (Tile(3), (4,), (8,)),
        (Tile(), (4, 4, 1), (8, 8, 1)),
    ],
)
def test_a_sample_that_does_not_fit_is_a_value_error(
    placement, sample_shape, canvas_shape
):
    with pytest.raises(ValueError, match="Received: "):
        data_mask(placement, sample_shape, canvas_shape)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Pad(inner_size=0),
        lambda: Pad(inner_size=2.5),
        lambda: Tile(copies=0),
        lambda: Tile(inner_size=2.5),
        lambda: Tile(interpolation="best"),
        lambda: ChannelConcatenation("middle"),
        lambda: Pad(offset=2),
        lambda: Pad(offset=(-1, 0)),
        lambda: Pad(offset=(0.5, 0)),
        lambda: Resize(interpolation="best"),
        lambda: Pad(interpolation=None),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
