import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram.inputs import Affine
from keras_reprogram.inputs import ColorGain
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import SeriesPicture
from keras_reprogram.inputs import SlidingWindows
from keras_reprogram.inputs import Tile


def placed(samples, canvas, placement, **settings):
    layer = InputReprogrammer(
        samples.shape[1:],
        canvas,
        placement,
        **{"pattern": None, "value_range": None, **settings},
    )
    return ops.convert_to_numpy(layer(samples))


def series_of(*shape):
    return np.random.default_rng(0).normal(3, 5, (2, *shape)).astype("float32")


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "count, starts",
    [(1, [5]), (2, [0, 10]), (4, [0, 3, 7, 10]), (3, [0, 5, 10])],
)
def test_windows_lie_at_even_distances_from_end_to_end(count, starts):
    assert SlidingWindows(10).starts(20, count) == starts


@pytest.mark.numpy_alone
@pytest.mark.parametrize("shape", [(20,), (20, 3)])
def test_each_window_is_placed_on_a_canvas_of_its_own(shape):
    series = series_of(*shape)
    found = placed(series, (3, 8, 8, 3), SlidingWindows(10))
    for index, start in enumerate((0, 5, 10)):
        expected = placed(
            series[:, start : start + 10], (8, 8, 3), SeriesPicture()
        )
        np.testing.assert_allclose(found[:, index], expected, atol=1e-4)


@pytest.mark.numpy_alone
def test_windows_of_waveforms_have_a_placement_of_their_own():
    series = series_of(20)
    found = placed(
        series,
        (3, 24),
        SlidingWindows(10, Tile(2)),
        data_format="no_channels",
    )
    for index, start in enumerate((0, 5, 10)):
        window = placed(series[:, start : start + 10], (24,), Tile(2))
        np.testing.assert_array_equal(found[:, index], window)


@pytest.mark.numpy_alone
def test_a_pattern_is_added_around_the_data_of_every_window():
    series = np.zeros((2, 20), "float32")
    layer = InputReprogrammer(
        (20,),
        (3, 16),
        SlidingWindows(10, Pad()),
        pattern="outside",
        value_range=None,
        data_format="no_channels",
    )
    layer.build((None, 20))
    (theta,) = layer.trainable_weights
    theta.assign(np.ones(theta.shape))
    found = ops.convert_to_numpy(layer(series))
    assert found.shape == (2, 3, 16)
    assert (found[:, :, 3:13] == 0).all()
    assert (found[:, :, :3] != 0).all() and (found[:, :, 13:] != 0).all()


def test_a_trained_placement_of_windows_has_gradients():
    inputs = keras.Input((20,))
    layer = InputReprogrammer(
        (20,),
        (3, 8, 8, 3),
        SlidingWindows(10, SeriesPicture(inner=Affine())),
        value_range=None,
    )
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(layer(inputs)))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    before = [ops.convert_to_numpy(each) for each in layer.trainable_weights]
    model.fit(series_of(20), np.ones((2, 2)), verbose=0)
    assert len(before) > 1
    for weight, old in zip(layer.trainable_weights, before):
        assert np.isfinite(ops.convert_to_numpy(weight)).all()
        assert (ops.convert_to_numpy(weight) != old).any()


def test_missing_steps_are_interpolated_before_windows_are_cut():
    series = np.linspace(0, 1, 20, dtype="float32")[None].repeat(2, 0)
    with_gap = series.copy()
    with_gap[:, 8:12] = np.nan
    canvas = (3, 8, 8, 3)
    np.testing.assert_allclose(
        placed(
            with_gap,
            canvas,
            SlidingWindows(10),
            missing_values="interpolate",
        ),
        placed(series, canvas, SlidingWindows(10)),
        atol=1e-3,
    )


def test_a_layer_is_made_again_from_its_config():
    layer = InputReprogrammer(
        (20,), (3, 8, 8, 3), SlidingWindows(10, ColorGain(SeriesPicture()))
    )
    copy = InputReprogrammer.from_config(layer.get_config())
    assert copy.placement.window == 10
    assert isinstance(copy.placement.inner, ColorGain)


@pytest.mark.parametrize(
    "shape, canvas, settings, match",
    [
        ((20,), (3, 8, 8, 3), {"window": 21}, "at most the number of steps"),
        ((None,), (3, 8, 8, 3), {"window": 4}, "known length"),
        ((20,), (8,), {"window": 4}, "window_features"),
        ((20,), (8, 8, 3), {"window": 4}, "window_features.*draws series"),
        ((20,), (3, 8), {"window": 4}, "no_channels"),
        ((20,), (3, 8, 8, 3), {"window": 1}, "at least 2 steps"),
        ((20,), (3, 8, 8, 3), {"window": 0}, "window"),
        ((20,), (3, 8, 8, 3), {"window": 4.5}, "window"),
    ],
)
def test_what_does_not_fit_is_an_error(shape, canvas, settings, match):
    with pytest.raises(ValueError, match=match):
        layer = InputReprogrammer(
            shape, canvas, SlidingWindows(**settings), value_range=None
        )
        layer.build((None, *shape))


def test_channels_come_last():
    with pytest.raises(ValueError, match="channels_last"):
        placed(
            series_of(3, 20),
            (3, 3, 8, 8),
            SlidingWindows(10),
            data_format="channels_first",
        )
