import sys

import keras
import numpy as np
import pytest

from keras_reprogram import InputReprogrammer
from keras_reprogram import visualization
from keras_reprogram.inputs import CoordinatorPattern
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import SampleMaskedPattern
from keras_reprogram.inputs import SlidingWindows

pytest.importorskip("matplotlib")


@pytest.fixture
def framed():
    layer = InputReprogrammer(
        (4, 4, 1),
        (8, 8, 3),
        placement=Pad(),
        pattern="outside",
        scale=1 / 127.5,
        offset=-1.0,
    )
    layer.build((None, 4, 4, 1))
    layer.pattern.theta.assign(np.full(144, -0.5))
    return layer


def pixels(figure):
    return figure.axes[0].images[0].get_array()


def test_a_pattern_is_drawn_around_gray(framed):
    drawn = pixels(visualization.plot_pattern(framed))
    np.testing.assert_allclose(drawn[2:6, 2:6], 0.5)
    np.testing.assert_allclose(drawn[:2], 0.0, atol=1e-6)


def test_a_mask_is_white_where_values_are_free(framed):
    figure = visualization.plot_mask(framed)
    drawn = pixels(figure)
    assert (drawn[:2] == 1).all() and (drawn[2:6, 2:6] == 0).all()
    assert "144" in figure.axes[0].get_title()


@pytest.mark.parametrize("windows, rows", [(3, 2), (4, 2), (5, 2), (7, 3)])
def test_windows_and_slices_are_drawn_side_by_side(windows, rows):
    layer = InputReprogrammer(
        (20,),
        (windows, 8, 8, 3),
        SlidingWindows(10),
        value_range=None,
        scale=1 / 255,
    )
    series = np.linspace(0, 1, 20, dtype="float32")[None]
    drawn = pixels(visualization.plot_inputs(layer, series))
    columns = -(-windows // rows)
    assert drawn.shape == (8 * rows, 8 * columns, 3)
    canvas = np.asarray(keras.ops.convert_to_numpy(layer(series)))[0]
    np.testing.assert_allclose(drawn[:8, 8:16], canvas[1], atol=1e-5)
    np.testing.assert_allclose(drawn[8:16, :8], canvas[columns], atol=1e-5)
    pattern = pixels(visualization.plot_pattern(layer))
    assert pattern.shape == drawn.shape


def test_inputs_are_drawn_in_the_samples_range(framed):
    samples = np.full((3, 4, 4, 1), 51, "uint8")
    figure = visualization.plot_inputs(framed, samples, ["a", "b", "c"])
    assert [axis.get_title() for axis in figure.axes] == ["a", "b", "c"]
    np.testing.assert_allclose(pixels(figure)[2:6, 2:6], 0.2, atol=1e-5)


def test_a_series_is_drawn_as_a_line():
    layer = InputReprogrammer((8,), (16,), value_range=None)
    layer.build((None, 8))
    assert len(visualization.plot_pattern(layer).axes[0].lines) == 1


def test_the_strongest_links_have_names():
    matrix = np.array([[0.1, 0.0], [-0.9, 0.2], [0.5, 0.0]])
    figure = visualization.plot_label_map(
        matrix, ["cat", "dog", "bus"], ["animal", "vehicle"], strongest=2
    )
    first, second = figure.axes
    assert first.get_title() == "animal"
    names = [label.get_text() for label in first.get_yticklabels()]
    assert names == ["bus", "dog"]
    assert [bar.get_width() for bar in first.patches] == [0.5, -0.9]
    assert len(second.patches) == 1


def test_figures_are_written(framed, tmp_path):
    visualization.plot_mask(framed).savefig(tmp_path / "mask.png")
    assert (tmp_path / "mask.png").stat().st_size > 500


def test_a_pattern_under_masks_is_drawn():
    layer = InputReprogrammer(
        (8, 8, 3), (8, 8, 3), pattern=SampleMaskedPattern((4,), 2)
    )
    layer.build((None, 8, 8, 3))
    assert pixels(visualization.plot_pattern(layer)).shape == (8, 8, 3)


def other(pattern):
    layer = InputReprogrammer((8, 8, 3), (8, 8, 3), pattern=pattern)
    if not isinstance(pattern, CoordinatorPattern):
        layer.build((None, 8, 8, 3))
    return layer


@pytest.mark.parametrize(
    "call",
    [
        lambda: visualization.plot_pattern(other(None)),
        lambda: visualization.plot_pattern(other(CoordinatorPattern())),
        lambda: visualization.plot_mask(other(SampleMaskedPattern((4,), 2))),
        lambda: visualization.plot_label_map(np.eye(3), ["a"], ["b", "c", "d"]),
    ],
)
def test_what_cannot_be_drawn_is_a_value_error(call):
    with pytest.raises(ValueError, match="Received: "):
        call()


def test_without_matplotlib_the_error_names_the_extra(framed, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"keras-reprogram\[pictures\]"):
        visualization.plot_mask(framed)
