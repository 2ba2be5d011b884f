import keras
import numpy as np
import pytest
from keras import ops

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.inputs import Affine
from keras_reprogram.inputs import ColorGain
from keras_reprogram.inputs import Pad
from keras_reprogram.inputs import RecurrencePlot
from keras_reprogram.inputs import Resize
from keras_reprogram.inputs import SeriesPicture
from keras_reprogram.inputs import Spectrogram
from keras_reprogram.inputs.images.axes import Axes

LAST, FIRST = Axes(3, "channels_last"), Axes(3, "channels_first")


def drawn(placement, samples, canvas=(8, 8, 3), **settings):
    """Canvases in the unit range."""
    layer = InputReprogrammer(
        samples.shape[1:],
        canvas,
        placement,
        **{"pattern": None, "value_range": None, "scale": 1 / 255, **settings},
    )
    return ops.convert_to_numpy(layer(samples))


def series_of(*shape):
    return np.random.default_rng(0).normal(3, 5, (2, *shape)).astype("float32")


def unit(series, axis=1):
    low = series.min(axis=axis, keepdims=True)
    return (series - low) / (series.max(axis=axis, keepdims=True) - low)


def differences(series):
    """Of series `[N, steps, channels]` in the unit range."""
    return 0.5 + (series[:, :, None] - series[:, None]) / 2


def test_a_series_is_a_gray_picture_of_its_differences():
    series = series_of(8)
    expected = np.repeat(differences(unit(series)[..., None]), 3, axis=-1)
    for samples in (series, series[..., None]):
        np.testing.assert_allclose(
            drawn(SeriesPicture(), samples), expected, atol=1e-5
        )
    np.testing.assert_allclose(
        drawn(SeriesPicture(), series, (8, 8), data_format="no_channels"),
        expected[..., 0],
        atol=1e-5,
    )


def test_channels_are_colors_in_either_data_format():
    series = series_of(8, 3)
    expected = differences(unit(series))
    np.testing.assert_allclose(
        drawn(SeriesPicture(channels="colors"), series), expected, atol=1e-5
    )
    first = drawn(
        SeriesPicture(channels="colors"),
        series.transpose(0, 2, 1),
        (3, 8, 8),
        data_format="channels_first",
    )
    np.testing.assert_allclose(first.transpose(0, 2, 3, 1), expected, atol=1e-5)


@pytest.mark.numpy_alone
def test_channels_are_beside_each_other():
    series = series_of(4, 4)
    expected = differences(unit(series))
    canvas = drawn(SeriesPicture(), series)
    for channel in range(4):
        row, column = 4 * (channel // 2), 4 * (channel % 2)
        np.testing.assert_allclose(
            canvas[:, row : row + 4, column : column + 4, 1],
            expected[..., channel],
            atol=1e-5,
        )
    canvas = drawn(SeriesPicture(channels="colors"), series, (4, 8, 3))
    np.testing.assert_allclose(
        canvas[:, :, :4].mean(), expected[..., :3].mean(), atol=0.1
    )


@pytest.mark.numpy_alone
def test_a_series_is_scaled_by_its_channel_its_sample_or_the_range():
    series = series_of(8, 3)
    series[..., 1] *= 10
    settings = {"scaling": "sample", "channels": "colors"}
    np.testing.assert_allclose(
        drawn(SeriesPicture(**settings), series),
        differences(unit(series, (1, 2))),
        atol=1e-5,
    )
    settings["scaling"] = "value_range"
    np.testing.assert_allclose(
        drawn(SeriesPicture(**settings), series, value_range=(-10, 10)),
        differences(np.clip(series / 20 + 0.5, 0, 1)),
        atol=1e-5,
    )


@pytest.mark.numpy_alone
def test_a_short_series_is_interpolated_or_repeated():
    series = np.array([[0.0, 1.0]], "float32")
    smooth = drawn(SeriesPicture(), series, (4, 4, 1))
    steps = np.array([0, 0.25, 0.75, 1])[None, :, None]
    np.testing.assert_allclose(smooth, differences(steps), atol=1e-6)
    blocks = drawn(SeriesPicture(inner=Resize("nearest")), series, (4, 4, 1))
    steps = np.array([0, 0, 1, 1])[None, :, None]
    np.testing.assert_allclose(blocks, differences(steps), atol=1e-6)


def test_a_long_series_is_averaged_before_pairs_are_made():
    # Steps that alternate have a mean of 0.5, and jump in the middle.
    fast = np.tile([0.0, 1.0], 2000) + np.repeat([0.0, 2.0], 2000)
    placement = SeriesPicture()
    axes = Axes(3, "channels_last")
    assert placement.series_shapes((4000,), (8, 8, 3), axes)[0] == (8, 1)
    canvas = drawn(placement, fast[None].astype("float32"))[0, ..., 0]
    halves = np.repeat([[0.5, 0.0], [1.0, 0.5]], 4, 0).repeat(4, 1)
    far = np.ones(8, bool)
    far[3:5] = False  # mixed steps
    np.testing.assert_allclose(
        canvas[far][:, far], halves[far][:, far], atol=0.01
    )


@pytest.mark.numpy_alone
def test_a_drawing_of_pairs_is_no_larger_than_the_canvas(monkeypatch):
    sizes = []

    def pairs(self, series):
        sizes.append(tuple(series.shape))
        return series[:, :, None] * series[:, None, :]

    monkeypatch.setattr(RecurrencePlot, "pairs", pairs)
    drawn(SeriesPicture("recurrence"), series_of(5000, 6), (16, 12, 3))
    assert sizes == [(2 * 6, 8)]


@pytest.mark.numpy_alone
def test_pixels_reach_a_source_in_its_own_scaling_whatever_the_range():
    series = series_of(8)
    inputs = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(inputs)
    source = keras.Model(inputs, keras.layers.Dense(2)(flat))
    for value_range in (None, (-5, 5), (0, 255)):
        layer = InputReprogrammer(
            (8,), None, SeriesPicture(), None, value_range=value_range
        )
        model = ReprogrammedModel(source, layer, LabelMapper(2))
        canvas = ops.convert_to_numpy(model.input_reprogrammer(series))
        assert canvas.min() == pytest.approx(0, abs=1e-3)
        assert canvas.max() == pytest.approx(255, abs=1e-3)


def test_programs_before_and_after_the_drawing_are_trained():
    inner = Affine(limit=1.0)
    placement = SeriesPicture(inner=inner)
    inputs = keras.Input((8,))
    layer = InputReprogrammer((8,), (8, 8, 1), placement, value_range=None)
    model = keras.Model(inputs, layer(inputs))
    assert placement.is_trained
    assert [tuple(w.shape) for w in model.trainable_weights] == [(2,), (64,)]
    model.compile(keras.optimizers.SGD(0.01), "mse")
    model.train_on_batch(series_of(8), np.zeros((2, 8, 8, 1)))
    for weight in model.trainable_weights:
        assert np.abs(ops.convert_to_numpy(weight.value)).min() > 1e-6


@pytest.mark.numpy_alone
def test_a_picture_may_be_changed_by_another_placement():
    series = series_of(8)
    changed = ColorGain(SeriesPicture())
    np.testing.assert_allclose(
        drawn(changed, series), drawn(SeriesPicture(), series), atol=1e-5
    )
    assert changed.canvas_range((0, 1)) == (0, 255)


def test_low_precision_is_that_of_the_canvas_alone():
    # One part in a thousand, which no float16 of this size has.
    series = 30000 + series_of(8)
    low = drawn(SeriesPicture(), series, dtype="float16").astype("float32")
    np.testing.assert_allclose(low, drawn(SeriesPicture(), series), atol=2e-3)


@pytest.mark.numpy_alone
def test_a_config_makes_the_same_placement():
    placement = SeriesPicture(
        RecurrencePlot(0.3), Affine(Pad(), limit=0.2), "colors", "sample"
    )
    layer = InputReprogrammer((8, 2), (8, 8, 3), placement)
    copy = InputReprogrammer.from_config(layer.get_config()).placement
    assert copy.get_config() == placement.get_config()
    assert copy.drawing == RecurrencePlot(0.3) and copy.inner.inner == Pad()


@pytest.mark.numpy_alone
def test_expected_variables_are_those_of_the_inner_placement():
    placement = SeriesPicture(inner=Affine())
    variables = placement.expected_variables((20, 2), (8, 8, 3), LAST)
    assert [variable.shape for variable in variables] == [(2,)]
    assert SeriesPicture().expected_variables((20,), (8, 8, 3), LAST) == []


def test_a_program_file_holds_the_placement(tmp_path):
    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.Flatten()(inputs)
    source = keras.Model(inputs, keras.layers.Dense(5)(pooled))
    layer = InputReprogrammer(
        (20, 2),
        placement=SeriesPicture(
            Spectrogram(fft_length=8, decibels=60), Affine(), "grid", "sample"
        ),
        value_range=None,
    )
    model = ReprogrammedModel(source, layer, LabelMapper(3, "random"))
    layer.placement.inner.theta.assign([0.2, -0.3])
    model.save_program(tmp_path / "series.program")
    copy = ReprogrammedModel.load_program(tmp_path / "series.program", source)
    series = series_of(20, 2)
    np.testing.assert_allclose(
        copy.predict_on_batch(series), model.predict_on_batch(series), rtol=1e-5
    )


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "shape, canvas, data_format, match",
    [
        ((8, 2, 1), (8, 8, 3), "channels_last", r"\(steps, channels\)"),
        ((8, 2, 1), (3, 8, 8), "channels_first", r"\(channels, steps\)"),
        ((None,), (8, 8, 3), "channels_last", "target_shape"),
        ((8,), (16,), "channels_last", "on an image"),
        ((8,), (16, 1), "channels_last", "on an image"),
        ((1, 150), (65, 65, 3), "channels_last", "at least 2 steps"),
        ((1,), (65, 65, 3), "channels_last", "at least 2 steps"),
        ((9, 100), (16, 16, 3), "channels_last", "at least 4 pixels"),
        ((2**23,), (8, 8, 3), "channels_last", "too long"),
    ],
)
def test_samples_that_are_no_series_are_a_value_error(
    shape, canvas, data_format, match
):
    axes = Axes(len(canvas), data_format)
    with pytest.raises(ValueError, match=f"{match}.*Received: "):
        SeriesPicture().check(shape, canvas, axes)
    layer = InputReprogrammer(
        shape, canvas, SeriesPicture(), data_format=data_format
    )
    with pytest.raises(ValueError, match="Received: "):
        layer.build((None, *shape))


@pytest.mark.numpy_alone
@pytest.mark.parametrize(
    "make",
    [
        lambda: SeriesPicture("differences"),
        lambda: SeriesPicture(Pad()),
        lambda: SeriesPicture(inner="middle"),
        lambda: SeriesPicture(channels="rows"),
        lambda: SeriesPicture(scaling="deviation"),
        lambda: InputReprogrammer(
            (8,), (8, 8, 3), SeriesPicture(), normalize_first=True
        ),
        lambda: SeriesPicture(inner=Pad()).check((9,), (4, 8, 3), FIRST),
    ],
)
def test_bad_settings_are_a_value_error(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


@pytest.mark.numpy_alone
def test_doubtful_samples_are_warned_about():
    layer = InputReprogrammer((6, 20), (65, 65, 3), SeriesPicture())
    layer.build((None, 6, 20))
    with pytest.warns(UserWarning, match="more channels than steps"):
        layer.check_values(series_of(6, 20))
    placement = SeriesPicture(scaling="value_range")
    layer = InputReprogrammer((20,), (8, 8, 3), placement, value_range=None)
    with pytest.warns(UserWarning, match=r"outside of `value_range=\(0.0, 1"):
        layer.check_values(series_of(20))
