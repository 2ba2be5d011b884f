import numpy as np
import pytest
from placing import data_mask
from placing import place

from keras_reprogram.inputs import Resize
from keras_reprogram.inputs import Tile


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


@pytest.mark.parametrize(
    "placement, sample_shape, canvas_shape",
    [
        (Tile(), (9,), (8,)),
        (Tile(3), (4,), (8,)),
        (Tile(), (4, 4, 1), (8, 8, 1)),
    ],
)
def test_copies_that_do_not_fit_are_a_value_error(
    placement, sample_shape, canvas_shape
):
    with pytest.raises(ValueError, match="Received: "):
        data_mask(placement, sample_shape, canvas_shape)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Tile(copies=0),
        lambda: Tile(inner_size=2.5),
        lambda: Tile(interpolation="best"),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
