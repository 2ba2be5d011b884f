import numpy as np
import pytest
from keras import ops

from keras_reprogram.inputs import DifferenceMatrix
from keras_reprogram.inputs import GramianField
from keras_reprogram.inputs import RecurrencePlot


def pictures(drawing, series, sizes=None):
    sizes = sizes or series.shape[1:] * 2
    drawn = drawing.draw(ops.convert_to_tensor(series), sizes)
    return ops.convert_to_numpy(drawn)


def series_of(steps):
    return np.random.default_rng(0).random((2, steps), "float32")


def test_differences_are_gray_where_values_are_equal():
    series = series_of(6)
    expected = 0.5 + (series[:, :, None] - series[:, None, :]) / 2
    found = pictures(DifferenceMatrix(), series)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(np.diagonal(found, 0, 1, 2), 0.5)


@pytest.mark.parametrize("width", [0.2, 1.0])
def test_recurrences_are_as_wide_as_a_share_of_the_deviation(width):
    series = series_of(6)
    scale = width * series.std(axis=1)[:, None, None]
    differences = (series[:, :, None] - series[:, None, :]) / scale
    np.testing.assert_allclose(
        pictures(RecurrencePlot(width), series),
        np.exp(-(differences**2) / 2),
        atol=1e-5,
    )
    white = pictures(RecurrencePlot(width), np.ones((1, 3), "float32"))
    np.testing.assert_array_equal(white, 1.0)


def test_gramian_fields_are_sines_and_cosines_of_angles():
    series = 0.1 + 0.8 * series_of(6)
    angles = np.arccos(2 * series - 1)
    first, second = angles[:, :, None], angles[:, None, :]
    np.testing.assert_allclose(
        pictures(GramianField(), series),
        (1 + np.cos(first + second)) / 2,
        atol=1e-3,
    )
    np.testing.assert_allclose(
        pictures(GramianField("difference"), series),
        (1 + np.sin(first - second)) / 2,
        atol=1e-3,
    )
    ends = np.array([[0.0, 1.0]], "float32")
    np.testing.assert_allclose(
        pictures(GramianField(), ends)[0], [[1, 0], [0, 1]], atol=0.01
    )


@pytest.mark.numpy_alone
def test_a_picture_that_is_not_square_is_resized_from_one_that_is():
    series = series_of(8)
    drawing = DifferenceMatrix()
    assert drawing.steps(10**9, (8, 4)) == 8
    whole = pictures(drawing, series)
    narrow = pictures(drawing, series, (8, 4))
    pairs = (whole[:, :, ::2] + whole[:, :, 1::2]) / 2
    assert narrow.shape == (2, 8, 4)
    # Triangles that reach over the neighbors, but at the edge.
    np.testing.assert_allclose(narrow.mean(), pairs.mean(), atol=0.02)


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "drawing", [DifferenceMatrix(), RecurrencePlot(0.3), GramianField("sum")]
)
def test_a_config_makes_the_same_drawing(drawing):
    assert type(drawing).from_config(drawing.get_config()) == drawing


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "make",
    [
        lambda: RecurrencePlot(0),
        lambda: RecurrencePlot("wide"),
        lambda: GramianField("product"),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()
