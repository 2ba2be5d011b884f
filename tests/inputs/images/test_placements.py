import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from placing import data_mask
from placing import place

from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import Resize


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


@pytest.mark.parametrize(
    "placement, sample_shape, canvas_shape",
    [
        (Pad(), (9, 9, 1), (8, 8, 1)),
        (Pad(inner_size=9), (4, 4, 1), (8, 8, 1)),
        (Pad(inner_size=(4, 4, 4)), (4, 4, 1), (8, 8, 1)),
        (Pad(offset=(5, 0)), (4, 4, 1), (8, 8, 1)),
        (Pad(offset=(0,)), (4, 4, 1), (8, 8, 1)),
        (Pad(), (None, None, 1), (8, 8, 1)),
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
